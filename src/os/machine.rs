//! What the machine as a whole uses.

use std::fs;

/// The machine.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineUsage {
    /// Of all cores together, 0 to 100, since the last sample.
    pub cpu_percent: f32,
    /// Memory that programs could not get any more.
    pub memory_used_bytes: u64,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Cores.
    pub cores: u32,
    /// Shares of the last ten seconds in which something waited for a core, for memory, for a disk;
    /// `None` where the kernel does not say.
    pub pressure: Option<[f64; 3]>,
}

/// Samples the machine, and keeps what it saw last.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// Busy and all ticks since boot.
    ticks: (u64, u64),
}

impl Machine {
    /// Samples the machine; the first sample has no share of time.
    pub(crate) fn sample(&mut self) -> MachineUsage {
        let mut usage = MachineUsage {
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            ..MachineUsage::default()
        };
        if let Some((busy, all)) = fs::read_to_string("/proc/stat")
            .ok()
            .as_deref()
            .and_then(times)
        {
            let (busy_before, all_before) = std::mem::replace(&mut self.ticks, (busy, all));
            let passed = all.saturating_sub(all_before);
            if all_before > 0 && passed > 0 {
                usage.cpu_percent = percent(busy.saturating_sub(busy_before), passed as f64);
            }
        }
        if let Ok(text) = fs::read_to_string("/proc/meminfo") {
            let total = kilobytes(&text, "MemTotal:");
            usage.memory_total_bytes = total * 1024;
            usage.memory_used_bytes =
                total.saturating_sub(kilobytes(&text, "MemAvailable:")) * 1024;
        }
        usage.pressure = pressure();
        usage
    }
}

fn pressure() -> Option<[f64; 3]> {
    let of = |what: &str| some_avg10(&fs::read_to_string(format!("/proc/pressure/{what}")).ok()?);
    Some([of("cpu")?, of("memory")?, of("io")?])
}

/// `some avg10=1.53 avg60=…`, in per cent.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let share = line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("avg10="))?;
    share.parse().ok().filter(|share: &f64| share.is_finite())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a share needs no more digits"
)]
pub(crate) fn percent(part: u64, whole: f64) -> f32 {
    (part as f64 * 100.0 / whole) as f32
}

/// Returns busy and all ticks of the machine since boot.
fn times(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; what guests use is in user already.
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Some((all - idle, all))
}

fn kilobytes(meminfo: &str, name: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_busy_but_for_idle_and_waiting() {
        assert_eq!(
            times("cpu  10 1 5 80 3 1 0 0 9 9\ncpu0 1\n"),
            Some((17, 100))
        );
        assert_eq!(times("intr 1"), None);
        assert_eq!(
            kilobytes("MemTotal:  100 kB\nMemAvailable: 60 kB\n", "MemAvailable:"),
            60
        );
    }

    #[test]
    fn pressure_is_the_share_of_the_last_ten_seconds() {
        let text = "some avg10=12.50 avg60=3.10 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00\n";
        assert_eq!(some_avg10(text), Some(12.5));
        for text in ["", "full avg10=1.00", "some avg60=1.00", "some avg10=lots"] {
            assert_eq!(some_avg10(text), None, "{text}");
        }
    }
}
