//! `geoip/update`, against a server that answers as MaxMind's does.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/update");
/// `123456:key_OK` in base64.
const ALLOWED: &str = "authorization: basic mtizndu2omtlev9psw==";

/// Serves the archive of every edition whose name does not contain `None`, sent on to another host,
/// until it is asked for `/end`. Returns what was asked, with `!` where the key came along.
fn serve(listener: &TcpListener, archive: &[u8], sum: &str) -> Vec<String> {
    let elsewhere = format!(
        "http://localhost:{}/r2",
        listener.local_addr().unwrap().port()
    );
    let mut asked = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let path = first.split(' ').nth(1).unwrap().to_string();
        let mut key = "";
        for line in lines {
            match line.unwrap().to_ascii_lowercase() {
                line if line.is_empty() => break,
                line if line == ALLOWED => key = "!",
                line if line.starts_with("authorization") => key = "?",
                _ => {}
            }
        }
        if path == "/end" {
            return asked;
        }
        let sum = if path.contains("Broken") {
            "0".repeat(64)
        } else {
            sum.to_string()
        };
        let sum = format!("{sum}  x_20261120.tar.gz\n");
        let (status, fields, body) = match path.as_str() {
            "/r2" => ("200 OK", String::new(), archive),
            _ if key != "!" => ("401 Unauthorized", String::new(), &b""[..]),
            path if path.contains("None") => ("404 Not Found", String::new(), &b""[..]),
            path if path.ends_with("sha256") => ("200 OK", String::new(), sum.as_bytes()),
            _ => ("302 Found", format!("Location: {elsewhere}\r\n"), &b""[..]),
        };
        asked.push(format!("{path}{key}"));
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(!said(&output).contains("key_OK"), "{output:?}");
    output
}

#[test]
fn maxminds_databases_are_fetched_checked_and_put_in_place() {
    let directory = Directory::new();
    let edition = "GeoLite2-Country";
    let database = Written::new(edition)
        .with("81.2.69.0/24", country("GB"))
        .bytes();
    let inside = directory.0.join("GeoLite2-Country_20261120");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join(format!("{edition}.mmdb")), &database).unwrap();
    let archive = directory.0.join("archive");
    let mut pack = Command::new("tar");
    pack.arg("-czf").arg(&archive).arg("-C").arg(&directory.0);
    assert!(
        pack.arg("GeoLite2-Country_20261120")
            .status()
            .unwrap()
            .success()
    );
    let sum = run(Command::new("sha256sum").arg(&archive));
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split(' ').next().unwrap();
    let archive = std::fs::read(&archive).unwrap();
    let target = directory.0.join("into");
    std::fs::create_dir(&target).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &archive, sum));
        let update = |key: &str, editions: &[&str]| {
            let mut command = Command::new(SCRIPT);
            command.arg("geolite2").arg(&target).args(editions);
            command.env("MAXMIND_ACCOUNT_ID", "123456");
            command.env("MAXMIND_LICENSE_KEY", key);
            command.env("MAXMIND_URL", format!("http://{address}"));
            run(&mut command)
        };
        let results = [
            ("key_wrong", edition),
            ("key_OK", edition),
            ("key_OK", edition),
            ("key_OK", "GeoLite2-Broken"),
            ("key_OK", "GeoLite2-None"),
            // The archive has another edition in it.
            ("key_OK", "GeoLite2-City"),
        ]
        .map(|(key, edition)| update(key, &[edition]));
        // The server must end, whatever the results are.
        let mut end = TcpStream::connect(address).unwrap();
        end.write_all(b"GET /end HTTP/1.1\r\n\r\n").unwrap();
        let asked = server.join().unwrap();

        let [refused, fetched, again, broken, none, other] = results;
        assert!(
            said(&refused).contains("refused the account id or the licence key"),
            "{refused:?}"
        );
        assert!(fetched.status.success(), "{fetched:?}");
        assert!(
            String::from_utf8_lossy(&again.stdout).contains("the newest already"),
            "{again:?}"
        );
        assert!(said(&broken).contains("Nothing was changed"), "{broken:?}");
        assert!(said(&none).contains("no edition GeoLite2-None"), "{none:?}");
        assert!(
            said(&other).contains("has no GeoLite2-City.mmdb in it"),
            "{other:?}"
        );
        for failed in [refused, broken, none, other] {
            assert_eq!(failed.status.code(), Some(1));
        }
        asked
    });
    let permalink = format!("/geoip/databases/{edition}/download?suffix=tar.gz");
    assert_eq!(
        asked[..5],
        [
            format!("{permalink}.sha256?"),
            format!("{permalink}.sha256!"),
            format!("{permalink}!"),
            // Sent on to another host, without the key.
            "/r2".to_string(),
            format!("{permalink}.sha256!"),
        ]
    );
    assert_eq!(
        std::fs::read(target.join("GeoLite2-Country.mmdb")).unwrap(),
        database
    );
    let mut left: Vec<_> = std::fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["GeoLite2-Country.mmdb", "GeoLite2-Country.mmdb.sha256"]
    );
    let opened = Database::open(&target.join("GeoLite2-Country.mmdb"), Role::Country);
    assert_eq!(opened.unwrap().about().kind, edition);
}

#[test]
fn what_is_missing_is_told() {
    let directory = Directory::new();
    let mut command = Command::new(SCRIPT);
    command.arg("geolite2").arg(&directory.0);
    command.env_remove("MAXMIND_ACCOUNT_ID");
    command.env_remove("MAXMIND_LICENSE_KEY");
    assert!(said(&run(&mut command)).contains("MAXMIND_ACCOUNT_ID is not set"));
    command.env("MAXMIND_ACCOUNT_ID", "123456");
    assert!(said(&run(&mut command)).contains("MAXMIND_LICENSE_KEY is not set"));
    // A key that would be an option of curl's.
    command.env("MAXMIND_LICENSE_KEY", "x\"\noutput = \"/tmp/x");
    assert!(said(&run(&mut command)).contains("a character that no key has"));

    // A database is looked at before it takes the place of the bundled one.
    let rubbish = directory.put("rubbish", b"<html>");
    let refused = run(Command::new(SCRIPT).arg("from").arg(&rubbish));
    assert!(said(&refused).contains("is no MaxMind DB"), "{refused:?}");

    let path = std::env::var("PATH").unwrap();
    for tool in ["sh", "dirname", "mktemp", "tar", "rm"] {
        let found = path
            .split(':')
            .map(|d| Path::new(d).join(tool))
            .find(|p| p.exists());
        std::os::unix::fs::symlink(found.unwrap(), directory.0.join(tool)).unwrap();
    }
    let bare = |arguments: &[&str]| {
        let mut command = Command::new(directory.0.join("sh"));
        run(command
            .arg(SCRIPT)
            .args(arguments)
            .env("PATH", &directory.0))
    };
    assert!(said(&bare(&[])).contains("npm is missing"));
    assert!(said(&bare(&["geolite2", "/"])).contains("curl is missing"));
    std::fs::remove_file(directory.0.join("tar")).unwrap();
    assert!(said(&bare(&[])).contains("tar is missing"));
    let help = run(Command::new(SCRIPT).arg("--help"));
    assert!(help.status.success() && help.stdout.starts_with(b"usage:"));
}
