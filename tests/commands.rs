//! The command line: what it prints, what it ends with, and the demo.

mod support;

#[path = "configuration/certificate.rs"]
mod certificate;
#[path = "commands/certs.rs"]
mod certs;
#[path = "commands/demo.rs"]
mod demo;
#[path = "commands/explain.rs"]
mod explain;
#[path = "commands/precompress.rs"]
mod precompress;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{Folder, command};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by a signal")
}

/// The binary with these arguments, run in this folder.
fn command_in(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

const SITE: &str = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                    [[site.route]]\npath = \"/*\"\nrespond = {}\n";

#[test]
fn version_and_help_are_there() {
    for flag in ["--version", "-V"] {
        let version = command(&[flag]);
        assert_eq!(code(&version), 0);
        assert_eq!(
            text(&version.stdout),
            format!("parvis {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
    let help = command(&["--help"]);
    assert_eq!((code(&help), text(&help.stderr)), (0, String::new()));
    let page = text(&help.stdout);
    let (commands, rest) = page.split_once("\nOptions:").unwrap();
    let (_, examples) = rest.split_once("\nExamples:\n").unwrap();
    for subcommand in [
        "run",
        "check",
        "reload",
        "explain",
        "precompress",
        "media",
        "visits",
        "certs",
        "demo",
    ] {
        assert!(commands.contains(&format!("\n  {subcommand} ")), "{page}");
        let example = format!("\n  parvis {subcommand}");
        assert!(format!("\n{examples}").contains(&example), "{page}");
        let help = command(&[subcommand, "--help"]);
        assert_eq!((code(&help), text(&help.stderr)), (0, String::new()));
        assert!(text(&help.stdout).contains(&format!("Usage: parvis {subcommand}")));
    }
    assert!(examples.contains("Exit codes: 0 fine, 1 failed at work, 2 wrong"));
    let explain = text(&command(&["explain", "--help"]).stdout);
    assert!(
        explain.contains("Examples:\n  parvis explain http"),
        "{explain}"
    );
}

/// The examples of the help are usage that is right: a word that is misspelt there ends with 2 and
/// names no file.
#[test]
fn the_examples_of_the_help_are_right_usage() {
    let folder = Folder::new();
    let mut seen = 0;
    for page in [&["--help"][..], &["explain", "--help"]] {
        let page = text(&command(page).stdout);
        let (_, examples) = page.split_once("Examples:\n").unwrap();
        for line in examples
            .lines()
            .filter(|line| line.starts_with("  parvis "))
            // It needs a folder, and no configuration.
            .filter(|line| !line.starts_with("  parvis precompress"))
        {
            // What stands behind two spaces says what it is for.
            let line = line.trim_start().split("  ").next().unwrap();
            // These would serve until they are told to stop.
            if line.contains("parvis demo") {
                continue;
            }
            let binary = env!("CARGO_BIN_EXE_parvis");
            let output = Command::new("sh")
                .args(["-c", &line.replacen("parvis", binary, 1)])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let said = text(&output.stderr);
            // There is no configuration here, and that is all that is wrong.
            let system = Path::new("/etc/parvis/parvis.toml").exists();
            assert!(
                said.contains("parvis.toml") && !said.contains("Usage:") || system,
                "{line}: {said}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 5);
}

#[test]
fn wrong_usage_ends_with_2_and_says_so_on_standard_error() {
    for arguments in [
        &[][..],
        &["fly"],
        &["run", "--fast"],
        &["run", "parvis.toml"],
        &["check", "-c"],
        &["explain"],
        &["explain", "http://a/", "http://b/"],
        &["demo", "--port", "x"],
        &["demo", "--port", "65536"],
        &["reload", "--now"],
    ] {
        let output = command(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        let said = text(&output.stderr);
        assert!(
            said.starts_with("error: ") || said.contains("Usage: parvis <COMMAND>"),
            "{arguments:?}: {said}"
        );
    }
    // A command that is nearly right is recognised.
    assert!(text(&command(&["chekc"]).stderr).contains("'check'"));
}

#[test]
fn check_ends_with_0_when_all_is_right_and_with_2_when_it_is_not() {
    let folder = Folder::new();
    folder.write("a.toml", SITE);
    for option in ["-c", "--config"] {
        let output = command_in(&folder, &["check", option, "a.toml"]);
        assert_eq!(code(&output), 0);
        assert_eq!(
            (text(&output.stdout), text(&output.stderr)),
            (
                "a.toml: right: 1 site, 1 route, 0 upstreams, 1 listener\n".into(),
                String::new()
            )
        );
    }
    folder.write("a.toml", &SITE.replace("respond", "respnod"));
    let output = command_in(&folder, &["check", "-c", "a.toml"]);
    assert_eq!((code(&output), text(&output.stdout)), (2, String::new()));
    assert!(text(&output.stderr).contains("did you mean `respond`?"));
}

/// Every command that needs a configuration refuses one that is wrong in the same way.
#[test]
fn a_wrong_configuration_ends_every_command_with_2() {
    let folder = Folder::new();
    folder.write("a.toml", &SITE.replace("respond", "respnod"));
    for arguments in [
        &["run"][..],
        &["check"],
        &["reload"],
        &["explain", "http://a/"],
    ] {
        let output = command_in(&folder, &[arguments, &["-c", "a.toml"]].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let said = text(&output.stderr);
        assert!(
            said.starts_with("error: unknown key `respnod`\n --> a.toml:6:1\n"),
            "{said}"
        );
        assert!(said.ends_with("\n1 error in the configuration\n"), "{said}");
    }
}

#[test]
fn without_a_name_the_configuration_is_looked_for() {
    let folder = Folder::new();
    let check = || command_in(&folder, &["check"]);
    // The system's own comes first, and a machine may have one.
    let system = Path::new("/etc/parvis/parvis.toml").exists();
    if !system {
        let none = check();
        let said = text(&none.stderr);
        assert_eq!(code(&none), 2);
        assert!(
            said.contains("neither /etc/parvis/parvis.toml nor conf/parvis.toml is there"),
            "{said}"
        );
        assert!(
            said.contains("-c FILE") && said.contains("parvis demo"),
            "{said}"
        );
    }
    // It is not looked for elsewhere.
    folder.write("parvis.toml", "x = 1\n");
    folder.write("conf/parvis.toml", SITE);
    let found = check();
    let said = text(&[found.stdout, found.stderr].concat());
    let expected = match system {
        true => "/etc/parvis/parvis.toml",
        false => "conf/parvis.toml: right: 1 site, 1 route, 0 upstreams, 1 listener\n",
    };
    assert!(said.contains(expected), "{said}");
    assert!(
        system
            || text(&command_in(&folder, &["explain", "http://a/"]).stdout)
                .contains("conf/parvis.toml:5")
    );
}

/// `parvis explain ... | grep -q` closes the pipe before all is written.
#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let folder = Folder::new();
    folder.write("a.toml", SITE);
    for arguments in [&["check"][..], &["explain", "http://a/"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args([arguments, &["-c", "a.toml"]].concat())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
    }
}
