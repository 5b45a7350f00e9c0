//! Metrics of the hot path: looked up once, then only counted.
//!
//! The recorder is installed before the first actor starts; what is counted before that is lost
//! for good.

/// Adds to a counter without labels, or with labels that are constants.
#[macro_export]
macro_rules! count {
    ($name:expr, $amount:expr $(, $label:literal => $value:literal)*) => {{
        static METER: ::std::sync::LazyLock<::metrics::Counter> =
            ::std::sync::LazyLock::new(|| ::metrics::counter!($name $(, $label => $value)*));
        METER.increment($amount);
    }};
}

/// Records a value of a histogram without labels.
#[macro_export]
macro_rules! observe {
    ($name:expr, $value:expr) => {{
        static METER: ::std::sync::LazyLock<::metrics::Histogram> =
            ::std::sync::LazyLock::new(|| ::metrics::histogram!($name));
        METER.record($value);
    }};
}
