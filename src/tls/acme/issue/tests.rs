use super::super::certificate::tests::made;
use super::super::order::tests::{Folder, built};
use super::*;
use crate::tls::clock::now;

fn task(folder: &Folder) -> Task {
    let order = built(&folder.0, "", &["a.example"]).unwrap();
    Task {
        names: order.names.clone(),
        policy: order.policy.clone(),
        root: folder.0.clone(),
        storage: order.id.clone(),
        shared: None,
        regardless: false,
        challenges: Arc::default(),
        replaces: None,
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_served_and_its_order_stays() {
    let folder = Folder::new();
    let task = task(&folder);
    let text = made(&["a.example"], 1, now() + 900);
    let issued = || Issued::from_pem(text.as_bytes()).unwrap();
    let (certificate, pending) = (task.storage.certificate(), task.storage.pending());
    storage::write(&pending, b"{}").unwrap();
    // A folder in the place of the file.
    std::fs::create_dir(&certificate).unwrap();
    let failure = task.store(issued(), text.clone()).await.unkept.unwrap();
    assert!(failure.message.contains("cannot be kept"), "{failure:?}");
    assert!(pending.exists());
    std::fs::remove_dir(&certificate).unwrap();
    assert!(task.store(issued(), text.clone()).await.unkept.is_none());
    assert!(certificate.exists() && !pending.exists());
}

#[tokio::test]
async fn without_the_lock_it_is_ordered_without_the_other_edges_answers_too() {
    let folder = Folder::new();
    let url = format!("unix://{}/nowhere.sock", folder.0.display());
    let away = Shared::new(&url, "parvis:").unwrap();
    let mut task = Task {
        shared: Some(away),
        ..task(&folder)
    };
    let one = task.challenges.publish(Kind::Http, "token", "token.print");
    let one = one.unwrap();
    let failure = task.share(&one, "token.print").await.unwrap_err();
    assert_eq!((failure.why, failure.whole), (Why::Away, false));
    task.regardless = true;
    task.share(&one, "token.print").await.unwrap();
}
