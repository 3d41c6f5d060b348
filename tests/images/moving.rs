//! Animations stay what they are.

use crate::support::pictures::{Seen, look_at, mean};
use crate::{CHROMIUM, CURL, WEBP, ask, is_brief, lives, made, original, painted, picture, serve};

/// Six pictures of a shape on its way, with delays of their own.
const FILM: &str = "frames = []\n\
    for at in range(6):\n\
    \x20   frame = photo(240, 160)\n\
    \x20   ImageDraw.Draw(frame).rectangle((at * 40, 40, at * 40 + 39, 119), fill=(255, 0, 0))\n\
    \x20   frames.append(frame)\n\
    delays = [100, 50, 200, 100, 30, 500]\n\
    how = {'save_all': True, 'append_images': frames[1:], 'duration': delays, 'loop': 3}\n\
    frames[0].save('film.gif', **how)\n\
    frames[0].save('film.webp', quality=95, **how)\n\
    how['loop'] = 0\n\
    frames[0].save('film.png', **how)\n\
    frames[0].save('still.gif')\n";

/// Where the shape is in each picture: the columns of thirds that are red in the middle.
fn shape(seen: &Seen) -> Vec<u32> {
    let (width, height) = seen.size();
    let row = |frame: &Vec<u8>| {
        let from = (height / 2 * width) as usize * 4;
        let red = |x: &u32| {
            let at = from + *x as usize * 4;
            frame[at] > 200 && frame[at + 1] < 70 && frame[at + 2] < 70
        };
        let red: Vec<u32> = (0..width).filter(red).collect();
        red.iter().sum::<u32>() / (red.len() as u32).max(1)
    };
    seen.pixels.iter().map(row).collect()
}

#[test]
fn an_animation_becomes_one_in_webp() {
    let folder = painted(FILM);
    let mut parvis = serve(&folder, "");
    for name in ["film.gif", "film.webp"] {
        let truth = look_at(original(&folder, name));
        assert_eq!(truth.pixels.len(), 6, "{name}");
        for accept in [WEBP, CHROMIUM] {
            let reply = picture(&parvis, &format!("/{name}?w=150"), accept, "image/webp");
            // There is no better one on its way: AVIF is not made of it.
            assert!(!is_brief(&reply), "{name}");
            let seen = look_at(reply.body);
            assert_eq!((&*seen.format, seen.size()), ("WEBP", (150, 100)), "{name}");
            assert_eq!(seen.delays, [100, 50, 200, 100, 30, 500], "{name}");
            // GIF counts how often it is shown again, WebP how often at all.
            let again = u64::from(name == "film.gif");
            assert_eq!(seen.loops, truth.loops.map(|loops| loops + again), "{name}");
            for (found, is) in shape(&seen).into_iter().zip(shape(&truth)) {
                assert!(found.abs_diff(is * 150 / 240) < 3, "{name}: {found} {is}");
            }
        }
        let whole = picture(&parvis, &format!("/{name}?format=webp"), CURL, "image/webp");
        let seen = look_at(whole.body);
        assert_eq!((seen.size(), seen.delays.len()), ((240, 160), 6), "{name}");
        for (found, is) in seen.pixels.iter().zip(&truth.pixels) {
            let apart = mean(found, is);
            assert!(apart < 6.0, "{name}: {apart}");
        }
    }
    assert_eq!(made(&parvis, "avif"), 0.0);
    lives(&mut parvis);
}

#[test]
fn an_animation_is_left_alone_where_it_would_not_stay_one() {
    let folder = painted(FILM);
    let parvis = serve(&folder, "");
    for (path, accept) in [
        ("/film.gif?w=150", CURL),
        ("/film.gif?w=150&format=jpeg", CHROMIUM),
        ("/film.gif?w=150&format=png", CHROMIUM),
        ("/film.gif?w=150&format=avif", CHROMIUM),
        ("/film.webp?w=150", CURL),
        ("/film.png?w=150", CURL),
        ("/film.png?w=150&format=jpeg", CURL),
    ] {
        let reply = ask(&parvis, path, accept);
        assert_eq!(reply.status, 200, "{path}");
        let name = path[1..].split('?').next().unwrap();
        assert!(reply.body == original(&folder, name), "{path}");
        assert!(!is_brief(&reply), "{path}");
    }
    // The first picture of one is enough to hold its place.
    let text = ask(&parvis, "/film.gif?placeholder", CURL).text();
    assert!(text.starts_with("data:image/"), "{}", &text[..40]);
    // One picture is no animation.
    let reply = picture(&parvis, "/still.gif?w=150", CURL, "image/png");
    assert_eq!(look_at(reply.body).size(), (150, 100));
}
