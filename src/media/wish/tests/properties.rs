use super::*;
use crate::media::Plan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;

/// Requests that are the same in every run.
fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn originals() -> Vec<Facts> {
    let sizes = [
        (8000, 6000),
        (4000, 3001),
        (3000, 4000),
        (500, 400),
        (19, 4000),
        (1, 1),
    ];
    let formats = [Format::Jpeg, Format::Png, Format::WebP, Format::Tiff];
    let all = sizes.iter().flat_map(|(width, height)| {
        formats.map(|format| Facts {
            format,
            alpha: format != Format::Jpeg,
            ..photo(*width, *height)
        })
    });
    all.collect()
}

/// A query as somebody who tries things out would send it.
fn any_query(dice: &mut StdRng) -> String {
    let mut query = String::new();
    let number = |dice: &mut StdRng, most: u32| dice.gen_range(1..=most).to_string();
    let names = [
        "w",
        "h",
        "fit",
        "q",
        "dpr",
        "format",
        "blur",
        "placeholder",
        "v",
    ];
    for name in names {
        if dice.gen_bool(0.5) {
            continue;
        }
        let value = match name {
            "w" | "h" => number(dice, 8192),
            "q" | "blur" => number(dice, 100),
            "fit" => ["inside", "contain", "cover"][dice.gen_range(0..3)].to_string(),
            "dpr" => ["auto", "1", "1.37", "2", "4"][dice.gen_range(0..5)].to_string(),
            "format" => ["auto", "avif", "webp", "jpeg", "png"][dice.gen_range(0..5)].to_string(),
            "placeholder" => "1".to_string(),
            _ => number(dice, 1_000_000),
        };
        // A placeholder is rare, or there would be little else.
        if name == "placeholder" && dice.gen_bool(0.8) {
            continue;
        }
        query.push_str(&format!("&{name}={value}"));
    }
    query
}

fn any_headers(dice: &mut StdRng) -> HeaderMap {
    let accepts = [CHROMIUM, "image/webp,*/*", "*/*", "image/avif"];
    let width = dice.gen_range(1..10_000).to_string();
    let ratio = format!("{:.3}", dice.gen_range(0.1..6.0));
    fields(&[
        ("accept", accepts[dice.gen_range(0..4)]),
        ("sec-ch-width", &width),
        ("dpr", &ratio),
    ])
}

/// Whoever asks without a signature gets one of a bounded number of variants, whatever the query.
///
/// Boxes: 8 widths, 8 heights, 64 of both in 3 fits, 8 widths in 15 shapes in 2 fits, the 8 widths
/// of hints with the cap, and placeholders; times 7 blurs, 5 qualities and the formats. Nearly all
/// of that is blurs and qualities: what pages ask for, sizes alone, is fewer than 400 boxes.
#[test]
fn unsigned_requests_reach_a_bounded_number_of_variants() {
    let facts = photo(8000, 6000);
    let mut reachable = HashSet::new();
    let mut sharp = HashSet::new();
    let sides: Vec<Option<u32>> = policy()
        .widths
        .into_iter()
        .map(Some)
        .chain([None])
        .collect();
    let mut add = |query: String, headers: &HeaderMap| {
        let wish = policy()
            .wish(b"/", Some(query.as_bytes()), headers)
            .unwrap();
        for recipe in wish.recipes(&facts) {
            reachable.insert(recipe);
            if recipe.blur == 0 && recipe.quality == 85 && recipe.format == Format::Jpeg {
                sharp.insert(recipe);
            }
        }
    };
    let chromium = fields(&[("accept", CHROMIUM)]);
    for format in ["auto", "avif", "webp", "jpeg", "png"] {
        for quality in [30, 50, 70, 85, 100] {
            for blur in [0, 2, 5, 10, 20, 50, 100] {
                let blur = match blur {
                    0 => String::new(),
                    blur => format!("&blur={blur}"),
                };
                let look = format!("&format={format}&q={quality}{blur}");
                for (width, height) in sides.iter().flat_map(|w| sides.iter().map(move |h| (w, h)))
                {
                    let side = |name: &str, side: &Option<u32>| {
                        side.map_or(String::new(), |side| format!("&{name}={side}"))
                    };
                    let size = format!("{}{}", side("w", width), side("h", height));
                    for fit in ["inside", "contain", "cover"] {
                        for text in ["", "&placeholder"] {
                            add(format!("{size}&fit={fit}{look}{text}"), &chromium);
                        }
                    }
                }
                for width in policy().widths {
                    for (a, b) in SHAPES.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
                        let height = (width * b + a / 2) / a;
                        for fit in ["contain", "cover"] {
                            for text in ["", "&placeholder"] {
                                let size = format!("w={width}&h={height}&fit={fit}");
                                add(format!("{size}{look}{text}"), &chromium);
                            }
                        }
                    }
                    let width = width.to_string();
                    let headers = fields(&[("accept", CHROMIUM), ("sec-ch-width", &width)]);
                    add(look.clone(), &headers);
                }
            }
        }
    }
    println!(
        "{} variants, {} boxes of sharp JPEG",
        reachable.len(),
        sharp.len()
    );
    assert!(sharp.len() <= 400, "{}", sharp.len());
    assert!(reachable.len() <= 70_000, "{}", reachable.len());
    // Whatever else is asked is one of them.
    let mut dice = dice(6);
    for _ in 0..20_000 {
        let (query, headers) = (any_query(&mut dice), any_headers(&mut dice));
        let wish = policy()
            .wish(b"/", Some(query.as_bytes()), &headers)
            .unwrap();
        for recipe in wish.recipes(&facts) {
            assert!(reachable.contains(&recipe), "{query} {headers:?}: {recipe}");
        }
    }
}

/// What stands for a recipe makes the same as it, and stands for itself.
#[test]
fn normal_recipes_make_the_same() {
    let mut dice = dice(7);
    for _ in 0..50_000 {
        let upright = (dice.gen_range(1..5000), dice.gen_range(1..5000));
        let facts = photo(upright.0, upright.1);
        let side = |dice: &mut StdRng| match dice.gen_range(0..4) {
            0 => None,
            1 => Some(upright.0),
            2 => Some(upright.1),
            _ => Some(dice.gen_range(1..=LARGEST)),
        };
        let recipe = Recipe {
            width: side(&mut dice),
            height: side(&mut dice),
            fit: [Fit::Inside, Fit::Contain, Fit::Cover][dice.gen_range(0..3)],
            blur: dice.gen_range(0..2),
            quality: 85,
            format: Format::WebP,
            background: [255; 3],
            always: false,
        };
        let normal = normal::normal(recipe, &facts);
        let plan = Plan::of(&recipe, upright);
        assert_eq!(Plan::of(&normal, upright), plan, "{recipe} of {upright:?}");
        assert_eq!(
            normal::normal(normal, &facts),
            normal,
            "{recipe} of {upright:?}"
        );
    }
}

#[test]
fn what_is_larger_is_never_made_smaller() {
    let ladder = |name: &str, most: u32| -> Vec<Wish> {
        let all = 1..=most;
        all.map(|number| wish(&format!("w=640&{name}={number}")))
            .collect()
    };
    let widths: Vec<_> = (1..=LARGEST)
        .map(|width| wish(&format!("w={width}")).width)
        .collect();
    assert!(widths.is_sorted());
    for (asked, given) in (1..=1920).zip(&widths) {
        assert!(*given >= Some(asked));
    }
    assert!(ladder("h", LARGEST).is_sorted_by_key(|wish| wish.height));
    assert!(ladder("q", 100).is_sorted_by_key(|wish| wish.quality));
    assert!(ladder("blur", 100).is_sorted_by_key(|wish| wish.blur));
    let ratios = (1000..=4000).map(|ratio| {
        let (units, rest) = (ratio / 1000, ratio % 1000);
        wish(&format!("w=320&dpr={units}.{rest:03}")).width
    });
    assert!(ratios.is_sorted());
}

#[test]
fn a_signature_changes_nothing_of_what_is_on_the_list() {
    for width in policy().widths {
        for rest in [
            "",
            "&h=300",
            "&h=300&fit=cover",
            "&q=50",
            "&blur=10",
            "&format=jpeg",
        ] {
            let query = format!("w={width}{rest}");
            let free = try_signed(&signed(&query)).unwrap();
            assert_eq!(free, wish(&query), "{query}");
        }
    }
}

/// Rubbish is refused or passed over, and never more than that.
#[test]
fn any_bytes_are_borne() {
    let mut dice = dice(8);
    let alphabet = b"whqsdprfitformatblurplaceholder=&&==%0123456789.+AZ_-\x00\xff?;";
    let policy = signed_policy();
    let originals = originals();
    for round in 0..20_000 {
        let length = match round % 100 {
            0 => 16 * 1024,
            _ => dice.gen_range(0..40),
        };
        let query: Vec<u8> = (0..length)
            .map(|_| match round % 3 {
                0 => dice.r#gen(),
                _ => alphabet[dice.gen_range(0..alphabet.len())],
            })
            .collect();
        let headers = any_headers(&mut dice);
        if let Ok(wish) = policy.wish(&query, Some(&query), &headers) {
            for facts in &originals {
                assert!(wish.recipes(facts).len() <= 3);
            }
        }
    }
    for name in ["w", "format", "s", "blur"] {
        let long = format!("{name}={}", "%41".repeat(5000));
        assert!(
            policy
                .wish(b"/", Some(long.as_bytes()), &HeaderMap::new())
                .is_err()
        );
    }
}
