//! Programs that were not written for these tests.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs a program of the tests to its end, with this on its standard input.
///
/// # Panics
/// When it is missing: `tests/run` installs it.
pub fn fed(command: &mut Command, input: &str) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{name}: {e}: run `tests/run --install`, which installs it"));
    // A program may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same, with nothing on its standard input.
pub fn run(command: &mut Command) -> Output {
    fed(command, "")
}

/// What `openssl` says with these arguments: both of its outputs.
pub fn openssl(arguments: &[&str]) -> String {
    let output = run(Command::new("openssl").args(arguments));
    said(&output)
}

/// Both outputs of a program.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The Python of the tests' environment.
///
/// # Panics
/// When it is missing: `tests/run` installs it.
pub fn python() -> PathBuf {
    let path = std::env::var("PARVIS_TEST_PYTHON")
        .unwrap_or_else(|_| format!("{}/target/venv/bin/python", env!("CARGO_MANIFEST_DIR")));
    let path = PathBuf::from(path);
    assert!(
        path.exists(),
        "{path:?} is missing: run `tests/run --install`, which installs it"
    );
    path
}

/// What a script in Python prints. It gets these arguments.
///
/// # Panics
/// When it fails.
pub fn script(text: &str, arguments: &[&str]) -> String {
    let output = run(Command::new(python()).arg("-c").arg(text).args(arguments));
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}
