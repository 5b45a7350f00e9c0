//! Lines over time, as inline SVG. Pure.

use std::fmt::Write as _;

use super::format::{escape, short};

pub const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 230.0;
pub const LEFT: f64 = 62.0;
pub const RIGHT: f64 = 946.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 204.0;
/// Lines closer than a point in time more than this many slices away are not joined: a gap shows.
const TICKS: usize = 5;

/// How values lie on the vertical axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Powers of ten at equal distances: for latencies.
    Log,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// Which colour of the style sheet.
    pub colour: usize,
    /// At each point of time; `None` leaves a gap.
    pub values: Vec<Option<f64>>,
}

/// A span of time with a number that the text explains.
#[derive(Clone, Debug)]
pub struct Band {
    pub from_s: f64,
    pub until_s: f64,
    pub label: String,
}

/// A boundary between two parts.
#[derive(Clone, Debug)]
pub struct Boundary {
    pub at_s: f64,
    pub label: String,
}

#[derive(Clone, Debug)]
pub struct Chart {
    pub id: String,
    pub title: String,
    pub unit: &'static str,
    pub scale: Scale,
    pub times_s: Vec<f64>,
    pub series: Vec<Series>,
    pub bands: Vec<Band>,
    pub boundaries: Vec<Boundary>,
}

impl Chart {
    /// Whether there is anything to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series
            .iter()
            .all(|series| series.values.iter().all(|value| value.is_none_or(|value| value == 0.0)))
    }

    /// The figure with its caption.
    #[must_use]
    pub fn draw(&self) -> String {
        let (first_s, last_s) = self.span_s();
        let x = |at_s: f64| LEFT + (at_s - first_s) / (last_s - first_s) * (RIGHT - LEFT);
        let axis = self.axis();
        let mut svg = String::new();
        // Writing into a string cannot fail, here and below.
        let _ = write!(
            svg,
            "<figure class=\"chart\" data-chart=\"{}\"><figcaption><b>{}</b> <span>{}</span>",
            self.id,
            escape(&self.title),
            self.unit
        );
        for series in &self.series {
            let _ = write!(
                svg,
                "<i class=\"key\"><svg viewBox=\"0 0 16 8\"><path class=\"c{}\" d=\"M0 4H16\"/></svg>{}</i>",
                series.colour,
                escape(&series.name)
            );
        }
        let _ = write!(
            svg,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title)
        );
        self.draw_background(&mut svg, x, first_s);
        for (value, y) in axis.ticks() {
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 3.5,
                short(value)
            );
        }
        for at_s in time_ticks(first_s, last_s) {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(at_s),
                BOTTOM + 17.0,
                clock(at_s)
            );
        }
        for series in &self.series {
            let path = path_of(series, &self.times_s, x, &axis);
            let _ = write!(svg, "<path class=\"line c{}\" d=\"{path}\"/>", series.colour);
        }
        svg.push_str("<path class=\"pointer\" d=\"\"/></svg></figure>\n");
        svg
    }

    /// Of the horizontal axis.
    #[must_use]
    pub fn span_s(&self) -> (f64, f64) {
        let first = self.times_s.first().copied().unwrap_or_default().min(0.0);
        let last = self.times_s.last().copied().unwrap_or_default();
        (first, last.max(first + 1.0))
    }

    fn draw_background(&self, svg: &mut String, x: impl Fn(f64) -> f64, first_s: f64) {
        let height = BOTTOM - TOP;
        if first_s < -0.5 {
            let _ = write!(
                svg,
                "<rect class=\"warm-up\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{height}\"/>\
                 <text class=\"part\" x=\"{}\" y=\"{}\">warm-up</text>",
                x(0.0) - LEFT,
                LEFT + 3.0,
                TOP - 6.0
            );
        }
        for band in &self.bands {
            let from = x(band.from_s).clamp(LEFT, RIGHT);
            let width = (x(band.until_s).clamp(LEFT, RIGHT) - from).max(2.0);
            let _ = write!(
                svg,
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>\
                 <text class=\"band-label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                from + width / 2.0,
                TOP + 11.0,
                escape(&band.label)
            );
        }
        for boundary in &self.boundaries {
            let at = x(boundary.at_s);
            let _ = write!(
                svg,
                "<path class=\"boundary\" d=\"M{at:.1} {}V{BOTTOM}\"/>\
                 <text class=\"part\" x=\"{:.1}\" y=\"{}\">{}</text>",
                TOP - 14.0,
                at + 4.0,
                TOP - 6.0,
                escape(&boundary.label)
            );
        }
    }

    fn axis(&self) -> Axis {
        let values = self.series.iter().flat_map(|series| series.values.iter().flatten().copied());
        let values = values.filter(|value| value.is_finite());
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values {
            most = most.max(value);
            if value > 0.0 {
                least = least.min(value);
            }
        }
        match self.scale {
            Scale::Linear => Axis::linear(most),
            Scale::Log => Axis::log(least, most),
        }
    }
}

/// From values to heights.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// From 0 to a round number not below `most`.
    #[must_use]
    pub fn linear(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let rough = most / TICKS as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * power);
        Self { scale: Scale::Linear, low: 0.0, high: (most / step).ceil() * step, step }
    }

    /// Whole powers of ten round all values.
    #[must_use]
    pub fn log(least: f64, most: f64) -> Self {
        let (least, most) = if least.is_finite() { (least, most) } else { (1.0, 10.0) };
        let low = 10_f64.powf(least.log10().floor());
        let high = 10_f64.powf(most.log10().ceil()).max(low * 10.0);
        Self { scale: Scale::Log, low, high, step: 10.0 }
    }

    #[must_use]
    pub fn height(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(self.low) / self.low).log10() / (self.high / self.low).log10(),
        };
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    fn ticks(&self) -> Vec<(f64, f64)> {
        let mut ticks = Vec::new();
        let mut value = self.low;
        while value <= self.high * 1.000_001 && ticks.len() < 20 {
            ticks.push((value, self.height(value)));
            value = match self.scale {
                Scale::Linear => value + self.step,
                Scale::Log => value * self.step,
            };
        }
        ticks
    }
}

fn path_of(series: &Series, times_s: &[f64], x: impl Fn(f64) -> f64, axis: &Axis) -> String {
    let mut path = String::new();
    let mut is_pen_down = false;
    for (at_s, value) in times_s.iter().zip(&series.values) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_pen_down = false;
            continue;
        };
        let letter = if is_pen_down { 'L' } else { 'M' };
        let _ = write!(path, "{letter}{:.1} {:.1}", x(*at_s), axis.height(value));
        // A lonely point is seen as a dot by its round end.
        if !is_pen_down {
            path.push_str("h0");
        }
        is_pen_down = true;
    }
    path
}

/// Round times, about ten.
fn time_ticks(first_s: f64, last_s: f64) -> Vec<f64> {
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];
    let rough = (last_s - first_s) / 12.0;
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(7_200.0);
    let mut at_s = (first_s / step).ceil() * step;
    let mut ticks = Vec::new();
    while at_s <= last_s && ticks.len() < 40 {
        ticks.push(at_s);
        at_s += step;
    }
    ticks
}

/// `12 s`, `3:20`, `1:05:00`.
fn clock(at_s: f64) -> String {
    let sign = if at_s < 0.0 { "−" } else { "" };
    let size = at_s.abs();
    if size < 120.0 {
        return format!("{sign}{} s", short(size));
    }
    let whole = size as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let highs = |most| Axis::linear(most).high;
        for (most, high) in [(97.0, 100.0), (0.013, 0.015), (1_200.0, 1_250.0), (0.0, 1.0)] {
            assert!((highs(most) - high).abs() < 1e-9, "{most}: {}", highs(most));
        }
        let axis = Axis::log(0.3, 45.0);
        assert!((axis.low - 0.1).abs() < 1e-9 && (axis.high - 100.0).abs() < 1e-6);
        assert!((axis.height(100.0) - TOP).abs() < 1e-6 && axis.height(0.1) >= BOTTOM - 1e-6);
    }

    #[test]
    fn a_missing_value_leaves_a_gap() {
        let values = vec![Some(1.0), Some(2.0), None, Some(3.0)];
        let series = Series { name: String::new(), colour: 0, values };
        let path = path_of(&series, &[0.0, 1.0, 2.0, 3.0], |at_s| at_s, &Axis::linear(3.0));
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path.matches('L').count(), 1);
    }

    #[test]
    fn times_are_short_or_like_clocks() {
        assert_eq!((clock(5.0), clock(-3.0)), ("5 s".to_owned(), "−3 s".to_owned()));
        assert_eq!((clock(200.0), clock(3_905.0)), ("3:20".to_owned(), "1:05:05".to_owned()));
        assert!(time_ticks(-3.0, 20.0).len() < 14);
    }
}
