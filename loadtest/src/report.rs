//! Outcomes for people.

use std::fmt;

use crate::scenario::{cold_start, direct, faults, idle, kill9, replay};
use crate::verdict::{Figures, Outcome};

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.figures {
            Figures::Replay(figures) => figures.fmt(formatter)?,
            Figures::Direct(figures) => figures.fmt(formatter)?,
            Figures::Idle(figures) => figures.fmt(formatter)?,
            Figures::ColdStart(figures) => figures.fmt(formatter)?,
            Figures::Kill9(figures) => figures.fmt(formatter)?,
            Figures::Faults(figures) => figures.fmt(formatter)?,
        }
        if let Some(verdict) = &self.verdict {
            writeln!(formatter, "checker: {verdict}")?;
        }
        for problem in &self.problems {
            writeln!(formatter, "problem: {problem}")?;
        }
        let word = if self.passed { "PASS" } else { "FAIL" };
        write!(formatter, "{word} {}", self.scenario)?;
        match self.seed {
            Some(seed) => writeln!(formatter, " (--seed {seed})"),
            None => writeln!(formatter),
        }
    }
}

impl fmt::Display for cold_start::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, median_ms, fastest_ms, slowest_ms } = self;
        writeln!(
            formatter,
            "from the start of the process to the first message stored: {median_ms:.0} ms, \
             {fastest_ms:.0} to {slowest_ms:.0} in {rounds} rounds"
        )
    }
}

impl fmt::Display for replay::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(
                formatter,
                "{}: {} lines of {} speakers ({} empty ones left out) in {:.1} s, \
                 read back in {:.1} s; head {}, {} sockets cut, {} server kills",
                file.name,
                file.lines,
                file.speakers,
                file.empty_messages,
                file.replay_ms as f64 / 1_000.0,
                file.read_back_ms as f64 / 1_000.0,
                file.head,
                file.sockets_cut,
                file.server_kills,
            )?;
        }
        for (class, count) in self.tally.iter().flat_map(|tally| &tally.struck) {
            writeln!(formatter, "  {class:<26} {count}")?;
        }
        Ok(())
    }
}

impl fmt::Display for direct::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} pairs, texts of {} bytes, an ack for {} messages, closed loop, {:.0} s measured",
            self.pairs, self.body_bytes, self.ack_every, self.measured_s
        )?;
        writeln!(
            formatter,
            "  stored and delivered {:>10.0} messages/s ({} in all)",
            self.messages_per_s, self.messages
        )?;
        for (what, latency) in [("accepted", self.accepted), ("delivered", self.delivered)] {
            let direct::Latency { p50_us, p90_us, p99_us, p999_us, max_us } = latency;
            writeln!(
                formatter,
                "  {what:<9} p50 {p50_us} µs, p90 {p90_us}, p99 {p99_us}, p99.9 {p999_us}, \
                 max {max_us}"
            )?;
        }
        match self.server_cpu_us_per_message {
            Some(cost) => writeln!(formatter, "  server CPU {cost:.1} µs a message")?,
            None => writeln!(formatter, "  server CPU unknown: give --server-pid")?,
        }
        writeln!(formatter, "  client CPU {:.1} µs a message", self.client_cpu_us_per_message)
    }
}

impl fmt::Display for idle::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} connections opened in {:.1} s, {} lost",
            self.connections,
            self.open_ms as f64 / 1_000.0,
            self.lost
        )?;
        writeln!(
            formatter,
            "  server: {} resident bytes each, {} of them its own memory ({} KiB -> {} KiB)",
            self.resident_bytes_per_connection,
            self.anonymous_bytes_per_connection,
            self.before.resident_bytes / 1_024,
            self.after.resident_bytes / 1_024,
        )?;
        if let Some((buffers, slab)) =
            self.kernel_tcp_bytes_per_connection.zip(self.kernel_slab_bytes_per_connection)
        {
            writeln!(
                formatter,
                "  kernel, both ends: {buffers} bytes of TCP buffers and {slab} of structures each"
            )?;
        }
        writeln!(formatter, "  server CPU while idle: {:.2} % of a core", self.idle_cpu_percent)
    }
}

impl fmt::Display for kill9::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slowest = self.restart_ms.iter().max().copied().unwrap_or_default();
        writeln!(
            formatter,
            "{} kills under {} senders in {} conversations, {:.1} s: {} messages accepted, \
             slowest restart {slowest} ms",
            self.kills,
            self.senders,
            self.conversations,
            self.elapsed_ms as f64 / 1_000.0,
            self.accepted,
        )
    }
}

impl fmt::Display for faults::Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} nodes, {} database processes; {} devices in {} conversations, {:.1} s",
            self.nodes,
            self.database_nodes,
            self.devices,
            self.conversations,
            self.elapsed_ms as f64 / 1_000.0,
        )?;
        for (name, wanted) in &self.wanted {
            let struck = self.tally.struck.get(name).copied().unwrap_or_default();
            writeln!(formatter, "  {name:<22} {struck:>5} of {wanted}")?;
        }
        writeln!(
            formatter,
            "  {} messages accepted: p50 {} ms, p99 {}, max {}; longest silence {} ms",
            self.accepted,
            self.accepted_p50_us / 1_000,
            self.accepted_p99_us / 1_000,
            self.accepted_max_us / 1_000,
            self.longest_silence_ms,
        )?;
        let slowest = |restarts: &[u64]| restarts.iter().max().copied().unwrap_or_default();
        let told = &self.told;
        writeln!(
            formatter,
            "  {} commits of unknown outcome, {} shards claimed, {} fenced, {} broken, {} panics",
            told.unknown_outcomes, told.take_overs, told.fenced, told.broken, told.panics
        )?;
        writeln!(
            formatter,
            "  slowest restart of a node {} ms, of a database process {} ms; healed in {} ms, \
             all caught up in {} ms",
            slowest(&self.tally.node_restart_ms),
            slowest(&self.tally.database_restart_ms),
            self.heal_ms,
            self.catch_up_ms,
        )?;
        match &self.audit {
            Some(report) => writeln!(formatter, "  audit: {report}"),
            None => writeln!(formatter, "  audit: not reached"),
        }
    }
}
