// SPDX-License-Identifier: GPL-2.0

//! The documents lead to files and headings that exist, and to each other.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Returns all documents, with their paths from the root of the repository.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).expect("a folder of documents");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let is_document = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "md");
        paths.filter(is_document).collect::<Vec<_>>()
    };
    let paths = [in_folder("."), in_folder("docs")].concat();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document");
        (normal(&path), text)
    };
    paths.into_iter().map(read).collect()
}

/// Returns a path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(normal.pop(), "{}: above the root", path.display()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// Returns the targets of a document's links to files and headings of ours.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).collect()
}

/// Returns the anchors of a document's headings, as they are made on GitHub.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => normal(&path.with_file_name(file)),
            };
            let content = fs::read_to_string(&target).unwrap_or_default();
            if !target.exists()
                || !(anchor.is_empty() || anchors(&content).iter().any(|a| a == anchor))
            {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links that lead nowhere:\n{}",
        broken.join("\n")
    );
}

#[test]
fn every_document_can_be_found_from_the_readme() {
    let documents = documents();
    let named = |path: &PathBuf| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let readme = documents
        .iter()
        .find(|(path, _)| named(path) == "README.md")
        .expect("a README");
    let files: Vec<&str> = links(&readme.1)
        .iter()
        .map(|link| link.split('#').next().unwrap_or(link))
        .collect();
    for (path, _) in documents
        .iter()
        .filter(|(path, _)| named(path) != "README.md")
    {
        let name = named(path);
        assert!(
            files.iter().any(|file| Path::new(file).ends_with(&name)),
            "README.md does not name {name}"
        );
    }
}
