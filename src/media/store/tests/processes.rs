//! Several processes with one folder, and processes that are killed.

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const LENGTHS: [usize; 3] = [500, 30_000, 150_000];

fn length(number: u64) -> usize {
    LENGTHS[usize::try_from(number % 3).unwrap()]
}

/// Each is found as it was made, or not at all; how many are found.
fn check(store: &Store, numbers: std::ops::Range<u64>) -> usize {
    let found = numbers.filter(|number| match store.find(&key(*number)) {
        None => false,
        Some(Kept::OriginalIsBest) => panic!("{number} is no note"),
        Some(Kept::Variant(variant)) => {
            assert_eq!(bytes(&variant), picture(*number, length(*number)));
            true
        }
    });
    found.count()
}

#[test]
fn what_one_writes_another_finds() {
    let scratch = Scratch::new();
    let [one, two] = [(); 2].map(|()| open(&scratch.0, ROOMY));
    tidy(&one);
    tidy(&two);
    put(&one, 1, 1000);
    two.put_original_is_best(&key(2));
    assert_eq!(bytes(&variant(two.find(&key(1)))), picture(1, 1000));
    assert!(matches!(one.find(&key(2)), Some(Kept::OriginalIsBest)));
    // Both make the same at once.
    for store in [&one, &two] {
        put(store, 3, 100_000);
    }
    tidy(&one);
    assert_eq!(one.statistics().variants, 2);
    assert_eq!(bytes(&variant(one.find(&key(3)))), picture(3, 100_000));
}

#[test]
fn several_stores_write_find_and_remove_in_one_folder() {
    let scratch = Scratch::new();
    let bounds = Bounds {
        disk: 2 << 20,
        memory: 1 << 20,
    };
    let stores: Vec<_> = (0..4)
        .map(|_| Store::open(&scratch.0, bounds).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for (turn, store) in (0_u64..).zip(&stores) {
            scope.spawn(move || {
                for step in 0..300_u64 {
                    let number = (step * 7 + turn * 13) % 60;
                    if check(store, number..number + 1) == 0 {
                        put(store, number, length(number));
                    }
                }
            });
        }
    });
    for store in &stores {
        let statistics = store.statistics();
        assert_eq!(statistics.damaged + statistics.failed_writes, 0);
    }
    drop(stores);
    let store = open(&scratch.0, bounds);
    tidy(&store);
    assert!(store.statistics().bytes <= bounds.disk);
    assert!(check(&store, 0..60) > 0);
}

const FOLDER: &str = "PARVIS_TEST_PICTURES_FOLDER";
const BOUNDS: Bounds = Bounds {
    disk: 8 << 20,
    memory: 1 << 20,
};

/// Not a test of its own: what a child does until it is killed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = Store::open(Path::new(&folder), BOUNDS).unwrap();
    println!("begun");
    loop {
        let number = rand::random::<u64>() % 200;
        if check(&store, number..number + 1) == 0 {
            put(&store, number, length(number));
        }
    }
}

/// Ends the child also when the test fails.
struct Running(Child);

impl Running {
    fn begin(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let child = "media::store::tests::processes::child";
        command.args([child, "--exact", "--nocapture"]);
        command.env(FOLDER, folder).stdout(Stdio::piped());
        let mut running = Running(command.spawn().unwrap());
        let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        // The test runner's own words stand before it.
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.contains("begun")), "it never began");
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn killed_processes_leave_nothing_that_is_not_whole() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.0, BOUNDS).unwrap();
    let mut found = 0;
    for _ in 0..6 {
        let mut children = [(); 2].map(|()| Running::begin(&scratch.0));
        // They make and remove while this one looks, too.
        let began = Instant::now();
        let life = Duration::from_millis(100 + rand::random::<u64>() % 200);
        while began.elapsed() < life || found == 0 {
            found += check(&store, 0..200);
            for child in &mut children {
                assert!(child.0.try_wait().unwrap().is_none(), "a child failed");
            }
        }
        drop(children);
        found += check(&open(&scratch.0, BOUNDS), 0..200);
    }
    assert_eq!(store.statistics().damaged, 0);
    // What they had begun is removed in its time, and takes no part until then.
    for folder in fs::read_dir(scratch.0.join("v1")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                age(&path, 4000);
            }
        }
    }
    tidy(&store);
    let hidden = fs::read_dir(scratch.0.join("v1"))
        .unwrap()
        .flat_map(|folder| {
            let files = fs::read_dir(folder.unwrap().path()).unwrap();
            files.map(|file| file.unwrap().file_name().into_string().unwrap())
        });
    assert_eq!(hidden.filter(|name| name.starts_with('.')).count(), 0);
    assert!(store.statistics().bytes <= BOUNDS.disk);
}
