//! Variants are made once, never of an older original, and more than can be made is no error.

use crate::support::pictures::{look, look_at, paint};
use crate::support::{Folder, Parvis};
use crate::{
    BRIEF, CURL, WEBP, client, configuration, etag, eventually, is_brief, lives, made, original,
    painted, photograph, picture, serve, serve_with,
};
use std::fs::{File, FileTimes};
use std::sync::Barrier;

#[test]
fn many_requests_for_a_new_variant_make_it_once() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    for (path, round) in [
        ("/photo.jpg?w=150&format=webp", 1.0),
        ("/photo.jpg?w=300&format=webp", 2.0),
    ] {
        let gate = Barrier::new(32);
        let replies: Vec<_> = std::thread::scope(|scope| {
            let ask = |_| {
                scope.spawn(|| {
                    let mut client = client(&parvis);
                    gate.wait();
                    client.get(path)
                })
            };
            let asking: Vec<_> = (0..32).map(ask).collect();
            asking
                .into_iter()
                .map(|asked| asked.join().unwrap())
                .collect()
        });
        for reply in &replies {
            assert_eq!(reply.status, 200);
            assert_eq!(reply.all("content-type"), ["image/webp"]);
            assert_eq!(etag(reply), etag(&replies[0]));
            assert!(reply.body == replies[0].body);
        }
        assert_eq!(made(&parvis, "webp"), round);
    }
    assert_eq!(
        parvis.metric("parvis_images_refused_total{reason=\"queue\"}"),
        0.0
    );
}

#[test]
fn the_same_picture_under_another_name_is_not_made_again() {
    let folder = photograph();
    std::fs::copy(folder.join("root/photo.jpg"), folder.join("root/copy.jpg")).unwrap();
    let parvis = serve(&folder, "");
    let one = picture(&parvis, "/photo.jpg?w=150", WEBP, "image/webp");
    let other = picture(&parvis, "/copy.jpg?w=150", WEBP, "image/webp");
    assert_eq!(etag(&one), etag(&other));
    assert_eq!(made(&parvis, "webp"), 1.0);
}

/// Of the same length, with the same time: nothing but its content tells.
/// What is kept of an answer with a variant must not give one original the time of another.
#[test]
fn two_originals_with_the_same_bytes_have_one_variant_and_times_of_their_own() {
    let folder = painted("Image.new('RGB', (300, 200), (220, 10, 10)).save('a.jpg', quality=95)\n");
    let bytes = original(&folder, "a.jpg");
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_577_836_800);
    for (name, age) in [("one.jpg", 0), ("other.jpg", 86_400)] {
        let path = folder.join("root").join(name);
        std::fs::write(&path, &bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let when = written - std::time::Duration::from_secs(age);
        file.set_times(FileTimes::new().set_modified(when)).unwrap();
    }
    let parvis = serve(&folder, "");
    let one = (
        "/one.jpg?w=150&format=webp",
        "Wed, 01 Jan 2020 00:00:00 GMT",
    );
    let other = (
        "/other.jpg?w=150&format=webp",
        "Tue, 31 Dec 2019 00:00:00 GMT",
    );
    let mut tags = Vec::new();
    for (path, when) in [one, other, one, other] {
        let answer = picture(&parvis, path, CURL, "image/webp");
        assert_eq!(
            answer.field("last-modified").as_deref(),
            Some(when),
            "{path}"
        );
        tags.push(etag(&answer));
    }
    tags.dedup();
    assert_eq!(tags.len(), 1, "{tags:?}");
}

#[test]
fn a_changed_original_is_never_answered_with_the_old_picture() {
    let folder = painted(
        "for name, colour in [('red', (220, 10, 10)), ('blue', (10, 10, 220))]:\n\
         \x20   Image.new('RGB', (300, 200), colour).save(name + '.jpg', quality=95)\n\
         size = max(os.path.getsize(name) for name in ('red.jpg', 'blue.jpg'))\n\
         for name in ('red.jpg', 'blue.jpg'):\n\
         \x20   with open(name, 'ab') as file: file.truncate(size)\n",
    );
    let (red, blue) = (original(&folder, "red.jpg"), original(&folder, "blue.jpg"));
    assert_eq!(red.len(), blue.len());
    let path = folder.join("root/a.jpg");
    std::fs::write(&path, &red).unwrap();
    let when = std::fs::metadata(&path).unwrap().modified().unwrap();
    let parvis = serve(&folder, "");
    let change = |content: &[u8], beside: bool| {
        let at = if beside {
            folder.join("root/next")
        } else {
            path.clone()
        };
        std::fs::write(&at, content).unwrap();
        let file = File::options().write(true).open(&at).unwrap();
        file.set_times(FileTimes::new().set_modified(when)).unwrap();
        std::fs::rename(&at, &path).unwrap();
    };
    let ask = || picture(&parvis, "/a.jpg?w=150&format=webp", CURL, "image/webp");
    let first = ask();
    let mut tag = etag(&first);
    assert!(look_at(first.body).pixel(75, 50)[0] > 200);
    for round in 0..6 {
        let is_blue = round % 2 == 0;
        change(if is_blue { &blue } else { &red }, round >= 3);
        let next = eventually("the new picture is there", || {
            let reply = ask();
            (etag(&reply) != tag).then_some(reply)
        });
        tag = etag(&next);
        let seen = look_at(next.body).pixel(75, 50);
        assert!(seen[if is_blue { 2 } else { 0 }] > 200, "{round}: {seen:?}");
        for _ in 0..20 {
            assert_eq!(etag(&ask()), tag, "{round}");
        }
    }
    // What was made of the same content before is still there.
    assert_eq!(made(&parvis, "webp"), 2.0);
}

/// With room for one, all others get something else, and no error.
#[test]
fn more_than_can_be_made_is_no_error() {
    let folder = photograph();
    let widths: Vec<String> = (0..400).map(|at| (150 + at).to_string()).collect();
    let images = format!("widths = [{}]", widths.join(", "));
    let mut parvis = serve_with(&folder, "workers = 1\nqueue = 1", "", &images);
    let photo = original(&folder, "photo.jpg");
    let refused = |parvis: &Parvis| parvis.metric("parvis_images_refused_total{reason=\"queue\"}");
    let mut next = 150;
    let (mut replies, mut instead) = (Vec::new(), 0);
    // All at once, more than once if they came one by one.
    eventually("some are refused", || {
        let gate = Barrier::new(24);
        let asked: Vec<_> = std::thread::scope(|scope| {
            let (gate, parvis) = (&gate, &parvis);
            let asking: Vec<_> = (next..next + 24)
                .map(|width| {
                    scope.spawn(move || {
                        let mut client = client(parvis);
                        gate.wait();
                        let path = format!("/photo.jpg?w={width}&format=webp");
                        (width, client.get(&path))
                    })
                })
                .collect();
            asking
                .into_iter()
                .map(|asked| asked.join().unwrap())
                .collect()
        });
        next += 24;
        replies.extend(asked);
        assert!(next < 520, "none was refused");
        (refused(&parvis) > 0.0).then_some(())
    });
    let seen = look(
        &replies
            .iter()
            .map(|(_, reply)| &reply.body)
            .collect::<Vec<_>>(),
    );
    for ((width, reply), seen) in replies.iter().zip(seen) {
        assert_eq!(reply.status, 200, "{width}");
        if seen.format == "WEBP" && seen.width == *width {
            assert!(!is_brief(reply), "{width}: {}", reply.head);
            continue;
        }
        // Another size, or the original: neither for long.
        instead += 1;
        assert_eq!(reply.all("cache-control"), [BRIEF], "{width}");
        assert!(seen.format == "WEBP" || reply.body == photo, "{width}");
    }
    assert_eq!(f64::from(instead), refused(&parvis));
    // When there is room again they are made.
    for (width, _) in replies.iter().rev().take(3) {
        let path = format!("/photo.jpg?w={width}&format=webp");
        let reply = picture(&parvis, &path, CURL, "image/webp");
        assert!(!is_brief(&reply));
    }
    lives(&mut parvis);
}

/// A request does not wait for ever: the original goes first, the variant is there for the next one.
#[test]
fn a_variant_that_takes_long_is_there_for_the_next_request() {
    let folder = photograph();
    let text = configuration(&folder, "", "", "").replace("wait = \"100s\"", "wait = \"0s\"");
    let parvis = Parvis::start(&text);
    let path = "/photo.jpg?w=300";
    let first = picture(&parvis, path, WEBP, "image/jpeg");
    assert!(is_brief(&first), "{}", first.head);
    assert!(first.body == original(&folder, "photo.jpg"));
    assert!(parvis.metric("parvis_images_refused_total{reason=\"late\"}") >= 1.0);
    let next = eventually("it is made", || {
        let reply = crate::ask(&parvis, path, WEBP);
        let is_webp = reply.all("content-type") == ["image/webp"];
        is_webp.then_some(reply)
    });
    assert!(!is_brief(&next));
    assert_eq!(made(&parvis, "webp"), 1.0);
}

fn stop(mut parvis: Parvis) {
    parvis.signal("TERM");
    parvis.wait();
}

#[test]
fn variants_outlive_the_process() {
    let folder = photograph();
    let paths = [
        "/photo.jpg?w=150",
        "/photo.jpg?w=300",
        "/photo.jpg?placeholder",
    ];
    let parvis = serve(&folder, "");
    let ask = |parvis: &Parvis| paths.map(|path| crate::ask(parvis, path, WEBP));
    let before = ask(&parvis);
    assert_eq!(made(&parvis, "webp"), 3.0);
    assert_eq!(parvis.metric("parvis_images_misses_total"), 3.0);
    stop(parvis);
    let parvis = serve(&folder, "");
    for (before, after) in before.iter().zip(ask(&parvis)) {
        assert_eq!(before.field("etag"), after.field("etag"));
        assert!(before.body == after.body);
    }
    assert_eq!(made(&parvis, "webp"), 0.0);
    assert_eq!(parvis.metric("parvis_images_misses_total"), 0.0);
    assert_eq!(parvis.metric("parvis_images_hits_total"), 3.0);
    // Another quality is another variant.
    stop(parvis);
    let parvis = serve(&folder, "quality = 50");
    picture(&parvis, paths[0], WEBP, "image/webp");
    assert_eq!(made(&parvis, "webp"), 1.0);
}

/// Two of them on one folder: what one made the other sends.
#[test]
fn processes_share_what_they_made() {
    let folder = photograph();
    let (one, other) = (serve(&folder, ""), serve(&folder, ""));
    for (width, first, second) in [(150, &one, &other), (300, &other, &one)] {
        let path = format!("/photo.jpg?w={width}");
        let made = picture(first, &path, WEBP, "image/webp");
        let sent = picture(second, &path, WEBP, "image/webp");
        assert_eq!(etag(&made), etag(&sent));
        assert!(made.body == sent.body);
    }
    assert_eq!((made(&one, "webp"), made(&other, "webp")), (1.0, 1.0));
}

/// A reload changes what is asked of variants, and keeps those that there are.
#[test]
fn a_reload_keeps_variants_and_counts() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("root")).unwrap();
    paint(
        &folder.join("root"),
        "photo(600, 400).save('photo.jpg', quality=95)",
    );
    let parvis = serve(&folder, "");
    let before = picture(&parvis, "/photo.jpg?w=150", WEBP, "image/webp");
    let text = configuration(&folder, "", "", "max_width = 300");
    Parvis::write_configuration(&parvis.folder, &text);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let after = picture(&parvis, "/photo.jpg?w=150", WEBP, "image/webp");
    assert_eq!(etag(&before), etag(&after));
    assert_eq!(made(&parvis, "webp"), 1.0);
    let whole = picture(&parvis, "/photo.jpg", WEBP, "image/webp");
    assert_eq!(look_at(whole.body).size(), (300, 200));
    assert_eq!(made(&parvis, "webp"), 2.0);
}
