use super::*;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod bounded;
mod processes;
mod troubled;

/// A folder of a test's own, which ends with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("parvis-pictures-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Scratch(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ROOMY: Bounds = Bounds {
    disk: 1 << 30,
    memory: 64 << 20,
};

/// A store whose keeper works when the test says so.
fn open(folder: &Path, bounds: Bounds) -> Arc<Store> {
    Store::without_keeper(folder, bounds).unwrap()
}

/// All that a keeper does in its time.
fn tidy(store: &Store) {
    let disk = store.shared.disk.as_ref().unwrap();
    keeper::touch(&store.shared, disk);
    store.shared.memory.forget_deleted();
    keeper::look(&store.shared, disk);
}

/// Keys as they are: spread over all folders.
fn key(number: u64) -> VariantKey {
    let hash = crate::media::ContentKey::of(&number.to_be_bytes());
    VariantKey(*hash.0.first_chunk().unwrap())
}

/// So many bytes that no other number has.
fn picture(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(next).collect()
}

fn put(store: &Store, number: u64, length: usize) -> Kept {
    let size = (640, u32::try_from(number % 480).unwrap() + 1);
    store.put(&key(number), Format::WebP, size, picture(number, length))
}

fn variant(kept: Option<Kept>) -> Arc<Variant> {
    match kept {
        Some(Kept::Variant(variant)) => variant,
        other => panic!("no variant: {other:?}"),
    }
}

fn bytes(variant: &Variant) -> Vec<u8> {
    match &variant.body {
        Body::Memory(bytes) => bytes.to_vec(),
        Body::Disk(file, length) => {
            let mut bytes = vec![0; usize::try_from(*length).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        }
    }
}

fn path(store: &Store, number: u64) -> PathBuf {
    let disk = store.shared.disk.as_ref().unwrap();
    disk.path(&key(number), Kind::Picture(Format::WebP))
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::open(path).unwrap().set_modified(then).unwrap();
}

fn age_of(path: &Path) -> Duration {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    modified.elapsed().unwrap_or_default()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_kept_is_found_also_after_a_restart() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("deep/pictures");
    let store = open(&folder, ROOMY);
    for (number, length) in [(1, 1000), (2, 100_000), (3, 32 * 1024), (4, 32 * 1024 + 1)] {
        assert!(store.hot(&key(number)).is_none() && store.find(&key(number)).is_none());
        let kept = variant(Some(put(&store, number, length)));
        let large = length > 32 * 1024;
        assert_eq!(matches!(kept.body, Body::Disk(..)), large, "{length}");
        let found = variant(store.hot(&key(number)));
        assert!(Arc::ptr_eq(&kept, &found));
        assert_eq!(bytes(&found), picture(number, length));
    }
    store.put_original_is_best(&key(5));
    assert!(matches!(store.hot(&key(5)), Some(Kept::OriginalIsBest)));

    let again = open(&folder, ROOMY);
    for (number, length) in [(1, 1000), (2, 100_000), (3, 32 * 1024), (4, 32 * 1024 + 1)] {
        assert!(again.hot(&key(number)).is_none());
        let (old, new) = (store.find(&key(number)), again.find(&key(number)));
        let (old, new) = (variant(old), variant(new));
        assert_eq!(bytes(&new), picture(number, length));
        assert_eq!(new.body.len(), length as u64);
        assert_eq!((new.key, new.format), (key(number), Format::WebP));
        assert_eq!((new.width, new.height), (old.width, old.height));
        assert_eq!(new.modified, old.modified);
        assert!(Arc::ptr_eq(&new, &variant(again.hot(&key(number)))));
    }
    assert!(matches!(again.find(&key(5)), Some(Kept::OriginalIsBest)));
    assert!(matches!(again.hot(&key(5)), Some(Kept::OriginalIsBest)));
    assert!(!again.statistics().complete);
    tidy(&again);
    let statistics = again.statistics();
    assert!(statistics.complete);
    assert_eq!((statistics.variants, statistics.originals_best), (4, 1));
    // 1, 25, 9 and 9 blocks, and one for the note.
    assert_eq!(statistics.bytes, 45 * 4096);
    assert_eq!(statistics.formats, [(Format::WebP, 4, 44 * 4096)]);
    assert_eq!(statistics.damaged + statistics.failed_writes, 0);
}

#[test]
fn a_file_is_where_it_is_looked_for_and_its_folder_is_not_for_everybody() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("pictures");
    let store = open(&folder, ROOMY);
    put(&store, 1, 1000);
    let name = key(1).to_string();
    let path = folder.join(format!("v1/{}/{name}.webp", &name[..2]));
    assert_eq!(fs::read(&path).unwrap()[..1000], picture(1, 1000));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // The umask may take rights away, and gives none.
    assert_eq!(mode(&folder) & 0o027, 0, "{:o}", mode(&folder));
    assert_eq!(mode(&path) & 0o133, 0, "{:o}", mode(&path));
    let beside = fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 1, "a temporary file stayed");
}

#[test]
fn to_others_a_file_is_a_picture() {
    use image::{DynamicImage, ImageFormat};
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    let pixels = picture(1, 16 * 16 * 3);
    let image = image::RgbImage::from_raw(16, 16, pixels.clone()).unwrap();
    let encoded = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = DynamicImage::ImageRgb8(image.clone());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let jpeg = turbojpeg::compress(
        turbojpeg::Image {
            pixels: pixels.as_slice(),
            width: 16,
            pitch: 48,
            height: 16,
            format: turbojpeg::PixelFormat::RGB,
        },
        85,
        turbojpeg::Subsamp::None,
    );
    let colours: Vec<ravif::RGB8> = pixels
        .chunks(3)
        .map(|p| ravif::RGB8::new(p[0], p[1], p[2]))
        .collect();
    let avif = ravif::Encoder::new()
        .with_speed(10)
        .with_num_threads(Some(1));
    let avif = avif.encode_rgb(ravif::Img::new(colours.as_slice(), 16, 16));
    let pictures = [
        (Format::Png, encoded(ImageFormat::Png)),
        (Format::WebP, encoded(ImageFormat::WebP)),
        (Format::Jpeg, jpeg.unwrap().to_vec()),
        (Format::Avif, avif.unwrap().avif_file),
    ];
    for (number, (format, bytes)) in pictures.into_iter().enumerate() {
        let key = key(number as u64);
        store.put(&key, format, (16, 16), bytes.clone());
        let disk = store.shared.disk.as_ref().unwrap();
        let file = fs::read(disk.path(&key, Kind::Picture(format))).unwrap();
        assert!(file.len() > bytes.len());
        assert_eq!(Format::sniff(&file), Some(format));
        match format {
            Format::Jpeg => {
                let both = [&file, &bytes].map(|of| {
                    let image = turbojpeg::decompress(of, turbojpeg::PixelFormat::RGB);
                    image.unwrap().pixels
                });
                assert_eq!(both[0], both[1]);
            }
            Format::Avif => {
                let limits = crate::media::Limits {
                    bytes: 1 << 20,
                    pixels: 1 << 20,
                    time: Duration::from_secs(60),
                };
                let deadline = crate::media::Deadline(std::time::Instant::now() + limits.time);
                let both = [&file, &bytes].map(|of| {
                    let facts = crate::media::probe(of, &limits).unwrap();
                    crate::media::decode(of, &facts, None, &limits, deadline).unwrap()
                });
                assert_eq!(both[0], both[1]);
            }
            _ => {
                let read = image::load_from_memory(&file).unwrap();
                assert_eq!(read.to_rgb8().as_raw(), &pixels);
            }
        }
    }
}

#[test]
fn without_a_folder_there_is_the_memory() {
    let store = Store::in_memory(4 << 20);
    assert!(store.find(&key(1)).is_none());
    for (number, length) in [(1, 1000), (2, 100_000)] {
        put(&store, number, length);
        let found = variant(store.find(&key(number)));
        assert_eq!(bytes(&found), picture(number, length));
    }
    store.put_original_is_best(&key(3));
    assert!(matches!(store.hot(&key(3)), Some(Kept::OriginalIsBest)));
    let statistics = store.statistics();
    assert_eq!((statistics.bytes, statistics.failed_writes), (0, 0));
    assert!(statistics.complete && statistics.memory > 101_000);
}

#[test]
fn notes_are_made_once_and_stay_with_the_variant() {
    let store = Store::in_memory(1 << 20);
    put(&store, 1, 1000);
    let first = variant(store.hot(&key(1)));
    assert_eq!(first.notes(|| 7_u32), Some(&7));
    let second = variant(store.hot(&key(1)));
    assert_eq!(second.notes(|| 8_u32), Some(&7));
    assert_eq!(second.notes(String::new), None);
}

#[test]
fn ten_thousand_variants() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    for number in 0..10_000 {
        put(&store, number, 100);
    }
    let again = open(&scratch.0, ROOMY);
    tidy(&again);
    assert_eq!(again.statistics().variants, 10_000);
    for number in 0..10_000 {
        let found = variant(again.find(&key(number)));
        assert_eq!(bytes(&found), picture(number, 100));
    }
    assert_eq!(again.statistics().damaged, 0);
}
