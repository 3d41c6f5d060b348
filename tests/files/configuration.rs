//! Mistakes in what is said of files, and where they are shown.

use crate::checked::{self, Mistake, check, check_path};
use crate::support::{Folder, Parvis};

/// A right configuration with these lines in its route, and those of `[site.route.files]`.
fn route(route: &str, files: &str) -> String {
    format!(
        "[upstream.backend]\nservers = [\"127.0.0.1:1\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\n{route}\n\
         [site.route.files]\n{files}\n"
    )
}

/// The only mistake of a configuration that has a folder `root` beside it.
fn mistake(text: &str) -> Mistake {
    let checked = check(&[("parvis.toml", text), ("root/index.html", "x")]);
    assert_eq!(checked.code, 2, "accepted:\n{text}\n{}", checked.out);
    let mut all = checked.mistakes();
    assert_eq!(all.len(), 1, "not one mistake:\n{text}\n{}", checked.err);
    let mistake = all.remove(0);
    assert!(mistake.related.is_empty(), "{}", checked.err);
    mistake
}

fn wrong(files: &str) -> Mistake {
    mistake(&route("", &format!("root = \"root\"\n{files}")))
}

fn right(text: &str) {
    let checked = check(&[("parvis.toml", text), ("root/index.html", "x")]);
    assert_eq!(checked.code, 0, "{text}\n{}", checked.err);
}

#[test]
fn every_key_that_there_is_is_right() {
    checked::right(&route("", "root = \".\""));
    right(&route(
        "compress = \"off\"\nfallback = \"backend\"\ncache_control = \"no-store\"",
        "root = \"./root/\"\nindex = [\"index.html\", \"index.htm\"]\n\
         try = [\"{path}\", \"{path}.html\", \"{path}/\", \"/index.html\"]\nautoindex = true\n\
         precompressed = false\nimmutable = \"~ \\\\.[0-9a-f]{8,}\\\\.\"\nfollow_links = \"never\"\n\
         types = { md = \"text/markdown; charset=utf-8\" }",
    ));
    for line in [
        "immutable = \"off\"",
        "follow_links = \"inside\"",
        "follow_links = \"anywhere\"",
        "index = []",
    ] {
        right(&route("", &format!("root = \"root\"\n{line}")));
    }
    right(&format!(
        "[files]\nmemory = \"0\"\nlargest = \"10MiB\"\n{}",
        route("", "root = \"root\"")
    ));
    right(&route("", "").replace("[site.route.files]", "files = { root = \"root\" }"));
}

#[test]
fn a_root_that_is_not_there_is_shown_where_it_is_written() {
    for root in ["nowhere", "root/nowhere", "/nowhere/at/all"] {
        let mistake = mistake(&route("", &format!("root = \"{root}\"")));
        assert_eq!(mistake.under, format!("\"{root}\""));
        assert_eq!(mistake.at(), "parvis.toml:10:8");
        let said = format!("{} {} {}", mistake.message, mistake.label, mistake.help);
        assert!(said.contains("nowhere"), "{said}");
        assert!(
            said.contains("No such file") || said.contains("not exist") || said.contains("no such"),
            "{said}"
        );
    }
}

#[test]
fn a_root_that_is_a_file_is_no_root() {
    let mistake = mistake(&route("", "root = \"root/index.html\""));
    assert_eq!(mistake.under, "\"root/index.html\"");
    let said = format!("{} {}", mistake.message, mistake.label);
    assert!(
        said.contains("no directory") || said.contains("ot a directory"),
        "{said}"
    );
}

#[test]
fn a_root_is_needed() {
    let mistake = mistake(&route("", "autoindex = true"));
    let said = format!("{} {} {}", mistake.message, mistake.label, mistake.help);
    assert!(said.contains("root"), "{said}");
    assert!(mistake.at().starts_with("parvis.toml:"), "{said}");
}

#[test]
fn a_relative_root_is_relative_to_the_file_that_holds_it() {
    let folder = Folder::new();
    folder.write("parvis.toml", "include = [\"sites/*.toml\"]\n");
    folder.write("sites/s.toml", &route("", "root = \"static\""));
    // Beside the wrong file.
    folder.write("static/x.txt", "x");
    let checked = check_path(&folder, "parvis.toml");
    let all = checked.mistakes();
    assert_eq!(all.len(), 1, "{}", checked.err);
    assert!(
        all[0].at().ends_with("sites/s.toml:10:8"),
        "{}",
        checked.err
    );
    folder.write("sites/static/x.txt", "x");
    let checked = check_path(&folder, "parvis.toml");
    assert_eq!(checked.code, 0, "{}", checked.err);

    let folder = Folder::new();
    folder.write("sites/s.toml", &route("", "root = \"static\""));
    folder.write("sites/static/x.txt", "right");
    folder.write("static/x.txt", "wrong");
    let parvis = Parvis::start_in(folder, "include = [\"sites/*.toml\"]\n", &[]);
    assert_eq!(parvis.get("/x.txt").text(), "right");
}

#[test]
fn a_fallback_is_one_of_files() {
    for action in [
        "proxy = \"backend\"",
        "respond = {}",
        "redirect = { to = \"/\" }",
    ] {
        let text = route(&format!("fallback = \"backend\"\n{action}"), "");
        let mistake = checked::mistake(text.trim_end().strip_suffix("[site.route.files]").unwrap());
        assert_eq!(
            mistake.at().split(':').nth(1),
            Some("8"),
            "{}",
            mistake.message
        );
        let said = format!("{} {} {}", mistake.message, mistake.label, mistake.help);
        assert!(
            said.contains("fallback") && said.contains("files"),
            "{said}"
        );
    }
}

#[test]
fn a_fallback_that_does_not_exist_is_named_with_the_nearest() {
    let files = "root = \"root\"";
    let missing = mistake(&route("fallback = \"backed\"", files));
    assert_eq!(missing.message, "there is no upstream `backed`");
    assert_eq!(missing.under, "\"backed\"");
    assert_eq!(missing.label, "did you mean `backend`?");
    let missing = mistake(&route("fallback = \"chat\"", files));
    assert_eq!(missing.label, "define it: [upstream.chat]");
}

#[test]
fn a_route_of_files_does_nothing_else() {
    for action in [
        "proxy = \"backend\"",
        "respond = {}",
        "redirect = { to = \"/\" }",
    ] {
        let two = mistake(&route(action, "root = \"root\""));
        assert_eq!(two.message, "the route does more than one thing");
        assert_eq!(two.under, "\"/*\"");
    }
}

#[test]
fn a_try_that_cannot_be_is_shown() {
    for (value, under) in [
        ("[\"\"]", "\"\""),
        ("[\"../{path}\"]", "\"../{path}\""),
        ("[\"{path}\", \"/a/../b\"]", "\"/a/../b\""),
        ("\"{path}\"", "\"{path}\""),
        ("[1]", "1"),
    ] {
        let mistake = wrong(&format!("try = {value}"));
        assert_eq!(mistake.under, under, "{}", mistake.message);
        assert!(mistake.at().starts_with("parvis.toml:11:"), "{value}");
    }
}

/// It would be taken for a file's name, which there never is.
#[test]
fn a_placeholder_that_there_is_not_is_shown() {
    for (value, under) in [
        ("[\"{pth}\"]", "\"{pth}\""),
        ("[\"{path}\", \"{}\"]", "\"{}\""),
        ("[\"{path\"]", "\"{path\""),
        ("[\"{uri}.html\", \"{path}\"]", "\"{uri}.html\""),
        // nginx's.
        ("[\"$uri\", \"{path}\"]", "\"$uri\""),
        ("[\"{path}\", \"=404\"]", "\"=404\""),
    ] {
        let mistake = wrong(&format!("try = {value}"));
        assert_eq!(mistake.under, under, "{}", mistake.message);
        assert!(mistake.at().starts_with("parvis.toml:11:"), "{value}");
    }
}

#[test]
fn a_try_of_nothing_is_shown() {
    let mistake = wrong("try = []");
    let said = format!("{} {}", mistake.message, mistake.label);
    assert!(said.contains("try"), "{said}");
    assert!(mistake.at().starts_with("parvis.toml:"), "{said}");
}

#[test]
fn values_that_cannot_be_are_shown() {
    for (line, under) in [
        ("immutable = \"~ (\"", "\"~ (\""),
        ("immutable = \"~ [a-\"", "\"~ [a-\""),
        ("immutable = \"on\"", "\"on\""),
        ("immutable = true", "true"),
        ("follow_links = \"always\"", "\"always\""),
        ("follow_links = true", "true"),
        ("autoindex = \"yes\"", "\"yes\""),
        ("precompressed = \"no\"", "\"no\""),
        ("index = \"index.html\"", "\"index.html\""),
        ("index = [\"a/../b\"]", "\"a/../b\""),
        ("index = [\"\"]", "\"\""),
        ("types = { md = \"text/markdown\\n\" }", "md"),
        ("types = { md = 1 }", "1"),
    ] {
        let mistake = wrong(line);
        assert_eq!(mistake.under, under, "{line}: {}", mistake.message);
        assert!(mistake.at().starts_with("parvis.toml:11:"), "{line}");
    }
    for (lines, under) in [
        ("memory = \"lots\"", "\"lots\""),
        ("memory = 64", "64"),
        ("largest = \"1 MiBit\"", "\"1 MiBit\""),
    ] {
        let text = format!("[files]\n{lines}\n{}", route("", "root = \"root\""));
        let mistake = mistake(&text);
        assert_eq!(mistake.under, under, "{}", mistake.message);
        assert!(mistake.at().starts_with("parvis.toml:2:"), "{lines}");
    }
}

#[test]
fn unknown_keys_are_answered_with_the_nearest() {
    for (line, key, meant) in [
        ("rot = \"root\"", "rot", "root"),
        ("indx = []", "indx", "index"),
        ("autoindx = true", "autoindx", "autoindex"),
        ("precompresed = true", "precompresed", "precompressed"),
        ("imutable = \"off\"", "imutable", "immutable"),
        ("follow_link = \"never\"", "follow_link", "follow_links"),
        ("type = {}", "type", "types"),
    ] {
        let mistake = wrong(line);
        assert_eq!(mistake.message, format!("unknown key `{key}`"));
        assert_eq!(mistake.label, format!("did you mean `{meant}`?"));
    }
    let text = format!("[files]\nmemry = \"0\"\n{}", route("", "root = \"root\""));
    assert_eq!(mistake(&text).label, "did you mean `memory`?");
}

/// In nginx it would be all that is below; here it is that path alone.
#[test]
fn a_path_that_was_meant_as_a_prefix_is_shown() {
    let text = route("", "root = \"root\"").replace("path = \"/*\"", "path = \"/static/\"");
    let mistake = mistake(&text);
    assert_eq!(mistake.under, "\"/static/\"");
    assert_eq!(mistake.label, "did you mean \"/static/*\"?");
}
