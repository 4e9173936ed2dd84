//! Runs the command of `[alerts]`: one alert at a time, each in its time, and nobody waits for it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;

use crate::domain::alert::Alert;
use crate::os::orphans::Children;
use crate::runtime::children::{self, ChildError};
use crate::runtime::context::Context;

/// Alerts that wait for a command that is slow. Those beyond are on screen all the same.
pub(crate) const WAITING: usize = 64;
/// How long the command may take for one.
const LIMIT: Duration = Duration::from_secs(10);

/// A command line and what it is to hear of.
pub(crate) type Alarm = (Vec<String>, Box<Alert>);

/// Why nobody heard of an alert.
#[derive(Debug, thiserror::Error)]
enum AlarmError {
    #[error("the command of [alerts] did not run")]
    Run(#[source] ChildError),
    #[error("the command of [alerts] ended with {0}")]
    Failed(ExitStatus),
}

/// Serves until the hub is gone.
pub(crate) async fn sound(context: Arc<Context>, mut alarms: mpsc::Receiver<Alarm>) {
    while let Some((command, alert)) = alarms.recv().await {
        if let Err(error) = tell(&context.children, &command, &alert, LIMIT).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(alert = %alert.id, %error, cause, "nobody heard of an alert");
        }
    }
}

/// Runs the command with the alert on its standard input. What it leaves behind is ended.
async fn tell(
    known: &Children,
    command: &[String],
    alert: &Alert,
    limit: Duration,
) -> Result<(), AlarmError> {
    let [program, arguments @ ..] = command else {
        return Ok(());
    };
    // It holds nothing that JSON cannot say.
    let json = serde_json::to_string(alert).unwrap_or_default() + "\n";
    let mut command = Command::new(program);
    command.args(arguments);
    let output = children::run(known, command, json.as_bytes(), limit)
        .await
        .map_err(AlarmError::Run)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(AlarmError::Failed(output.status))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::alert::{AlertKind, AlertLevel};
    use crate::domain::id::AlertId;

    fn alert() -> Alert {
        Alert {
            id: AlertId(7),
            kind: AlertKind::Disk,
            level: AlertLevel::Critical,
            process: None,
            name: None,
            text: "the disk is full".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            acknowledged: None,
            cleared: None,
        }
    }

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn told(command: &[String], limit: Duration) -> Result<(), AlarmError> {
        tell(&Children::default(), command, &alert(), limit).await
    }

    #[tokio::test]
    async fn the_command_reads_the_alert() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heard");
        let script = format!("cat > {}", file.display());
        told(&shell(&script), LIMIT).await.unwrap();
        let heard = std::fs::read_to_string(file).unwrap();
        assert_eq!(serde_json::from_str::<Alert>(&heard).unwrap(), alert());
    }

    #[tokio::test]
    async fn one_that_fails_is_late_or_is_not_there_is_told() {
        let failed = told(&shell("exit 3"), LIMIT).await;
        assert!(matches!(failed, Err(AlarmError::Failed(_))), "{failed:?}");
        for command in [vec!["/nowhere/at/all".to_owned()], shell("exec sleep 600")] {
            let error = told(&command, Duration::from_millis(200)).await;
            assert!(matches!(error, Err(AlarmError::Run(_))), "{error:?}");
        }
        // It need not read, and there need not be one.
        told(&shell("exec <&-"), LIMIT).await.unwrap();
        told(&[], LIMIT).await.unwrap();
    }
}
