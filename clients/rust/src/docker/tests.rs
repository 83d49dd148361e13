//! What is called, what is repeated, and what is made of the answers.

use super::*;
use crate::status::SessionStatus;
use crate::testing::Directory;

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

/// A hive whose docker is a shell script; it counts its calls, and writes down their words.
struct Shell {
    directory: Directory,
    hive: DockerHiveMind,
}

impl Shell {
    fn new(script: &str) -> Shell {
        let directory = Directory::new();
        let file = directory.path.join("docker");
        let prelude = "cd \"$(dirname \"$0\")\"\n\
            printf '<%s>' \"$@\" >>calls\necho >>calls\n\
            count=$(wc -l <calls)\n";
        std::fs::write(&file, format!("{}{}", prelude, script)).expect("a script");
        let program = ["sh".to_string(), file.display().to_string()];
        let hive = DockerHiveMind::new("box")
            .with_program(program)
            .with_session_manager("/hive")
            .with_retries(3, Duration::from_millis(1));
        Shell { directory, hive }
    }

    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.directory.path.join("calls")).expect("calls");
        calls.lines().map(str::to_string).collect()
    }

    fn session(&self) -> SessionHandle {
        self.hive.session(ID).expect("an id")
    }
}

#[test]
fn a_task_is_spawned_by_the_documented_commands() {
    let shell = Shell::new(&format!("case $4 in create) echo {} ;; esac", ID));
    let metadata = Json::object([("key", "va\"lue".into())]);
    let session = shell
        .hive
        .spawn_task("--start", Some("high"), Some(metadata));
    assert_eq!(session.expect("a session").uuid(), ID);
    let plain = shell.hive.spawn_task("$(x)", None, None);
    assert_eq!(plain.expect("a session").uuid(), ID);
    assert_eq!(
        shell.calls(),
        [
            r#"<exec><box></hive><create><--start><high><{"key":"va\"lue"}>"#.to_string(),
            format!("<exec><box></hive><start><--detach><{}>", ID),
            "<exec><box></hive><create><$(x)><medium><null>".to_string(),
            format!("<exec><box></hive><start><--detach><{}>", ID),
        ]
    );
}

#[test]
fn profile_limits_and_arguments_go_where_they_belong() {
    let shell = Shell::new(&format!("case $4 in create) echo {} ;; esac", ID));
    let new = NewSession::new("a task")
        .profile("sample")
        .limit("run_time", "2h")
        .no_limit("memory")
        .on_usage_limit("retry")
        .args(["--max-workers", "8"]);
    shell.hive.spawn(&new).expect("a session");
    assert_eq!(
        shell.calls(),
        [
            "<exec><box></hive><create><--profile><sample><--run-time><2h><--memory><off>\
             <--on-usage-limit><retry><--><a task><medium><null>"
                .to_string(),
            format!(
                "<exec><box></hive><start><--detach><{}><--max-workers><8>",
                ID
            ),
        ]
    );
    assert!(matches!(shell.hive.create(&new), Err(Error::Invalid(_))));
    let bad = NewSession::new("x").limit("=", "1");
    assert!(matches!(shell.hive.create(&bad), Err(Error::Invalid(_))));
    let bad = NewSession::new("a\0b");
    assert!(matches!(shell.hive.create(&bad), Err(Error::Invalid(_))));
}

#[test]
fn a_create_is_repeated_only_when_it_was_certainly_not_carried_out() {
    let created = |failure: &str| {
        let script = format!("[ $count -gt 2 ] && echo {} && exit; {}", ID, failure);
        let shell = Shell::new(&script);
        let done = shell.hive.create(&NewSession::new("x"));
        (done, shell.calls().len())
    };
    for passing in [
        "exit 126",
        "echo 'Cannot connect to the Docker daemon at unix:///x' >&2; exit 1",
        "echo 'hive: 64 requests are under way already; try again' >&2; exit 75",
    ] {
        let (done, calls) = created(passing);
        assert_eq!(done.expect(passing).uuid(), ID);
        assert_eq!(calls, 3, "{}", passing);
    }
    for lasting in [
        "echo 'hive: the server broke off; `list` tells what was done' >&2; exit 75",
        "echo 'hive: the task is empty' >&2; exit 2",
        "echo 'Traceback' >&2; exit 1",
        "kill -9 $$",
        "echo nonsense",
    ] {
        let (done, calls) = created(lasting);
        assert!(done.is_err(), "{}", lasting);
        assert_eq!(calls, 1, "{}", lasting);
    }
}

#[test]
fn an_id_that_was_printed_is_a_session_whatever_the_exit_code() {
    let shell = Shell::new(&format!("echo {}; exit 75", ID));
    let session = shell.hive.create(&NewSession::new("x"));
    assert_eq!(session.expect("a session").uuid(), ID);
}

#[test]
fn a_start_is_repeated_and_its_own_earlier_success_is_no_conflict() {
    let shell = Shell::new("[ $count -gt 1 ] && exit 3; exit 75");
    shell.session().start(&[]).expect("started");
    assert_eq!(shell.calls().len(), 2);
    let shell = Shell::new("echo 'hive: it has ended' >&2; exit 3");
    let error = shell.session().start(&[]).expect_err("ended before");
    assert_eq!(error.code(), Some("conflict"));
    assert_eq!(shell.calls().len(), 1);
}

#[test]
fn not_found_is_a_status() {
    let shell = Shell::new("echo not_found; exit 4");
    let session = shell.session();
    assert_eq!(session.get_status().ok(), Some(SessionStatus::NotFound));
    assert_eq!(session.wait(None).ok(), Some(SessionStatus::NotFound));
    let error = session.get().expect_err("no such session");
    assert!(error.is_not_found());
    assert!(shell.hive.session("../x").is_err());
}

#[test]
fn a_wait_bears_failures_and_ends_at_its_deadline() {
    let shell = Shell::new("case $count in 1) exit 1 ;; 2) echo running ;; *) echo failed ;; esac");
    assert_eq!(shell.session().wait(None).ok(), Some(SessionStatus::Failed));
    assert_eq!(shell.calls().len(), 3);
    let shell = Shell::new("echo running");
    let error = shell.session().wait(Some(Duration::from_millis(100)));
    assert!(matches!(error, Err(Error::TimedOut { .. })));
}

#[test]
fn answers_that_make_no_sense_are_told() {
    let shell = Shell::new("echo '{\"sessions\": [}'");
    let error = shell.hive.list().expect_err("not JSON");
    assert!(error.to_string().contains("exec box hive list: not JSON"));
    assert!(shell.session().get().is_err());
    assert!(shell.session().get_status().is_err());
    assert!(shell.hive.cleanup(24).is_err());
    let empty = Shell::new("exit 0");
    assert!(empty.session().get_output_dir().is_err());
}

#[test]
fn a_log_comes_as_lines_and_byte_for_byte() {
    let script = "case $4 in log) printf 'one\\n\\377two\\nend' ;; *) echo completed ;; esac";
    let shell = Shell::new(script);
    let lines: Vec<String> = shell.session().tail_logs().expect("a log").iter().collect();
    assert_eq!(lines, ["one", "\u{fffd}two", "end"]);
    let mut log = Vec::new();
    let status = shell.session().write_log(&mut log);
    assert_eq!(status.ok(), Some(SessionStatus::Completed));
    assert_eq!(log, b"one\n\xfftwo\nend");
    let broken = Shell::new("echo part; echo 'hive: gone' >&2; exit 1");
    let error = broken.session().write_log(&mut Vec::new());
    assert!(matches!(error, Err(Error::Command { .. })));
}

#[test]
fn who_stops_listening_ends_the_follower() {
    let shell = Shell::new("echo $$ >pid; trap '' PIPE; while sleep 0.02; do echo line; done");
    let lines = shell.session().tail_logs().expect("a log");
    assert_eq!(lines.recv().ok().as_deref(), Some("line"));
    let pid = std::fs::read_to_string(shell.directory.path.join("pid")).expect("a pid");
    let process = std::path::Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    drop(lines);
    let begun = std::time::Instant::now();
    while process.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}
