//! The machine: how full its disk is, how many files may be open.

use std::path::Path;

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use crate::doctor::{Finding, Patient, Report};

/// Files that are open besides connections and handshakes.
const FILES_BESIDES: u64 = 200;

/// Looks at it.
pub fn look(patient: &Patient, report: &mut Report) {
    match &patient.data_dir {
        Some(dir) => report.add("machine.disk", disk(dir, patient.thresholds.doctor_disk_percent)),
        None => report.skip("machine.disk", "the database's disk is on its own machine"),
    }
    let limits = &patient.limits;
    let wanted = u64::from(limits.connections_max)
        + u64::from(limits.handshakes_max)
        + u64::from(patient.database_connections)
        + FILES_BESIDES;
    report.add("machine.files", files(wanted, getrlimit(Resource::Nofile).current));
}

/// Finds a disk that is nearly full.
fn disk(dir: &Path, percent: u32) -> Vec<Finding> {
    let name = dir.display();
    let found = match statvfs(dir) {
        Ok(found) => found,
        Err(error) => {
            let finding =
                Finding::fault("machine.disk", format!("{name} cannot be looked at: {error}"))
                    .meaning("The private database lives there.")
                    .mend("see that the directory exists, and that this user may enter it");
            return vec![finding];
        }
    };
    let mib = found.f_bavail.saturating_mul(found.f_frsize) / 1_048_576;
    let free = share(found.f_bavail, found.f_blocks);
    let finding = match free {
        free if free >= u64::from(percent) => return Vec::new(),
        free if free * 3 < u64::from(percent) => Finding::fault,
        _ => Finding::warning,
    };
    let finding =
        finding("machine.disk", format!("{free} % of the disk of {name} are free, {mib} MiB"))
            .meaning("When it is full PostgreSQL stops, and the hub with it.")
            .mend("make room or enlarge it; PESHUB_FEED_DAYS keeps changes for a shorter time");
    vec![finding]
}

/// Returns a part in whole percent.
fn share(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or_default()
}

/// Finds too few file descriptors; without a limit there are enough.
fn files(wanted: u64, limit: Option<u64>) -> Vec<Finding> {
    let short = limit.filter(|limit| *limit < wanted);
    let finding = short.map(|limit| {
        Finding::warning("machine.files", format!("{limit} files may be open, and the hub may want {wanted}"))
            .meaning("Each connection needs one. When they run out the hub drops the oldest handshakes. The limit is that of this session: a service has its own.")
            .mend("LimitNOFILE=16384 under systemd, `ulimit -n` in a shell, or a lower PESHUB_CONNECTIONS_MAX")
    });
    finding.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use crate::doctor::machine::{disk, files, share};
    use crate::doctor::{Finding, Severity};

    #[test]
    fn a_disk_is_told_of_by_what_is_free() {
        let here = std::env::temp_dir();
        assert!(disk(&here, 0).is_empty());
        let told: Vec<Finding> = disk(&here, 101);
        assert_eq!(told.len(), 1);
        assert_ne!(told[0].what, "");
        assert_eq!(disk(&here.join("nowhere"), 0)[0].severity, Severity::Fault);
        assert_eq!(share(1, 3), 33);
        assert_eq!(share(1, 0), 0);
    }

    #[test]
    fn files_are_told_of_when_there_are_too_few() {
        assert!(files(100, Some(100)).is_empty());
        assert!(files(100, None).is_empty());
        assert_eq!(files(101, Some(100)).len(), 1);
    }
}
