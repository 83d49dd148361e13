//! Run a task to its end: print its log, say how it ended, and fetch what it made.
//!
//! usage: run_task [--save DIRECTORY|FILE.zip] TASK [ARGUMENT...]
//!
//! Over HTTP at HIVE_URL (default http://127.0.0.1:8765) with HIVE_TOKEN; with HIVE_CONTAINER set
//! over `docker exec` into that container, where HIVE_SESSION_MANAGER is the script. HIVE_PROFILE
//! is the command profile. The log goes to standard output, all else to standard error; the exit
//! code is 0 when the session completed.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hiveweb_client::{
    DockerHiveMind, HiveMind, HttpHiveMind, HttpSession, NewSession, Session, SessionStatus,
};

fn main() -> ExitCode {
    match run() {
        Ok(SessionStatus::Completed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("run_task: {}", error);
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<SessionStatus, Box<dyn Error>> {
    let mut words: Vec<String> = env::args().skip(1).collect();
    let mut save = None;
    if words.len() > 1 && words[0] == "--save" {
        save = Some(PathBuf::from(words.remove(1)));
        words.remove(0);
    }
    if words.is_empty() {
        return Err("usage: run_task [--save DIRECTORY|FILE.zip] TASK [ARGUMENT...]".into());
    }
    let mut new = NewSession::new(words.remove(0)).args(words);
    new.profile = env::var("HIVE_PROFILE").ok();

    if let Ok(container) = env::var("HIVE_CONTAINER") {
        let mut hive = DockerHiveMind::new(container);
        if let Ok(path) = env::var("HIVE_SESSION_MANAGER") {
            hive = hive.with_session_manager(path);
        }
        let (session, status) = follow(&hive, &new)?;
        eprintln!("output in {}", session.get_output_dir()?.display());
        return Ok(status);
    }
    let url = env::var("HIVE_URL").unwrap_or_else(|_| "http://127.0.0.1:8765".to_string());
    let mut hive = HttpHiveMind::new(&url)?;
    if let Ok(token) = env::var("HIVE_TOKEN") {
        hive = hive.with_token(token)?;
    }
    let (session, status) = follow(&hive, &new)?;
    fetch(&session, save.as_deref())?;
    Ok(status)
}

/// Start a session and print its log until it ends; the same over HTTP and `docker exec`.
fn follow<H: HiveMind>(
    hive: &H,
    new: &NewSession,
) -> Result<(H::Session, SessionStatus), Box<dyn Error>> {
    let session = hive.spawn(new)?;
    eprintln!("session {}", session.uuid());
    let status = session.write_log(&mut io::stdout().lock())?;
    eprintln!("{}", status);
    if let Some(detail) = session.get()?.detail {
        eprintln!("{}", detail);
    }
    Ok((session, status))
}

/// Show the output files, and save them where they are wanted, or all in one archive.
fn fetch(session: &HttpSession, save: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let archive = save.filter(|path| path.extension() == Some("zip".as_ref()));
    if let Some(path) = archive {
        session.download_all(&mut File::create(path)?)?;
        return Ok(());
    }
    for file in session.outputs()?.files {
        eprintln!("output {} ({} bytes)", file.path, file.size);
        // A name that would lead elsewhere is left out.
        if let (Some(directory), Some(path)) = (save, file.relative_path()) {
            let target = directory.join(path);
            fs::create_dir_all(target.parent().unwrap_or(directory))?;
            session.download(&file, &mut File::create(target)?)?;
        }
    }
    Ok(())
}
