//! A report for the terminal.

use std::fmt;

use crate::run_report::{Latency, RunFigures, RunReport, StageFigures};

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for RunReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: {}", self.scenario, self.plan.summary)?;
        writeln!(formatter, "  server: {}; {} cores", self.server, self.cores)?;
        self.figures.fmt(formatter)?;
        if self.stages.len() > 1 {
            for stage in &self.stages {
                stage.fmt(formatter)?;
            }
        }
        for check in &self.checks {
            let word = match (&check.measured, check.passed) {
                (None, _) => "  ? ",
                (_, true) => "  ok",
                (_, false) => "FAIL",
            };
            let measured = check.measured.as_deref().unwrap_or("not measured");
            writeln!(formatter, "  {word} {}: {measured} ({})", check.name, check.limit)?;
        }
        for note in &self.notes {
            writeln!(formatter, "  note: {note}")?;
        }
        if let Some(what) = &self.plan.does_not_cover {
            writeln!(formatter, "  does not cover: {what}")?;
        }
        if let Some(verdict) = &self.verdict {
            writeln!(formatter, "checker: {verdict}")?;
        }
        for problem in &self.problems {
            writeln!(formatter, "problem: {problem}")?;
        }
        let word = if self.passed { "PASS" } else { "FAIL" };
        writeln!(formatter, "{word} {} (--seed {})", self.scenario, self.seed)
    }
}

impl fmt::Display for RunFigures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.due > 0 {
            writeln!(
                formatter,
                "  {:.0} messages/s acknowledged, {:.0} deliveries/s ({} and {} in {:.0} s)",
                self.accepted_per_s,
                self.delivered_per_s,
                self.accepted,
                self.delivered,
                self.measured_s
            )?;
            for (what, latency) in
                [("accepted", self.accepted_latency), ("delivered", self.delivered_latency)]
            {
                if latency.count > 0 {
                    writeln!(formatter, "  {what:<9} {latency}")?;
                }
            }
        }
        let mut costs = Vec::new();
        for (what, cost) in [
            ("server CPU a message", self.server_cpu_us_per_message),
            ("a delivery", self.server_cpu_us_per_delivery),
            ("store CPU a message", self.store_cpu_us_per_message),
            ("load tester CPU a message", self.load_tester_cpu_us_per_message),
        ] {
            costs.extend(cost.map(|cost| format!("{what} {cost:.1} µs")));
        }
        if !costs.is_empty() {
            writeln!(formatter, "  {}", costs.join(", "))?;
        }
        if let Some((writes, entries)) = self.writes_per_frame.zip(self.entries_per_commit) {
            writeln!(
                formatter,
                "  {writes:.2} write calls for an entry or answer, {entries:.1} entries a commit"
            )?;
        }
        if let Some(((start, end), peak)) =
            self.memory_start_bytes.zip(self.memory_end_bytes).zip(self.memory_peak_bytes)
        {
            writeln!(
                formatter,
                "  server memory {:.1} MiB at the start, {:.1} at the end, {:.1} at the most",
                mib(start),
                mib(end),
                mib(peak)
            )?;
        }
        if let Some((start, end)) = self.own_memory_start_bytes.zip(self.own_memory_end_bytes) {
            let (start, end) = (mib(start), mib(end));
            writeln!(formatter, "  of it heap and stacks {start:.1} and {end:.1} MiB")?;
        }
        if let Some(slope) = self.memory_slope_mib_per_hour {
            writeln!(formatter, "  which rise by {slope:.1} MiB an hour at the end")?;
        }
        if let Some(bytes) = self.bytes_per_connection {
            let kernel = self.kernel_bytes_per_connection.unwrap_or_default();
            let least = self.bytes_per_connection_at_least.unwrap_or_default();
            let (least, bytes) = (least.min(bytes), least.max(bytes));
            writeln!(
                formatter,
                "  {least:.0} to {bytes:.0} resident bytes a silent connection (the more with its \
                 user); {kernel:.0} of the kernel, both ends"
            )?;
        }
        if self.presence_told > 0 {
            writeln!(formatter, "  told {} times how somebody is", self.presence_told)?;
        }
        if let Some(seconds) = self.caught_up_s {
            writeln!(formatter, "  who was away had everything {seconds:.1} s after coming back")?;
        }
        let struck: Vec<String> =
            self.struck.iter().map(|(name, count)| format!("{count} x {name}")).collect();
        if !struck.is_empty() {
            writeln!(formatter, "  struck: {}", struck.join(", "))?;
        }
        if let Some(stage) = &self.sustained {
            writeln!(formatter, "  sustained: {stage}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StageFigures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_sustained { ' ' } else { '!' };
        writeln!(
            formatter,
            "  {mark} {:<24} {:>8.0} msg/s {:>9.0} deliveries/s  {}",
            self.name, self.accepted_per_s, self.delivered_per_s, self.delivered
        )
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1_000.0;
        let Self { p50_us, p90_us, p99_us, p999_us, max_us, .. } = *self;
        write!(
            formatter,
            "p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.1}",
            ms(p50_us),
            ms(p90_us),
            ms(p99_us),
            ms(p999_us),
            ms(max_us)
        )
    }
}
