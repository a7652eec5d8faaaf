//! What the pages tell a reader to do, done: every command of the README and the guides is run against a hub of its own.
//!
//! [`page`] has the conventions of fenced blocks. Pages call ports `74…` and a database `postgres://peshub@db.example/peshub`; free ones
//! are put in their place.

mod page;
mod run;

use std::path::{Path, PathBuf};

use crate::guides::page::Page;
use crate::guides::run::Database;

/// Most blocks that may be left out, on all pages together.
const NOT_RUN_MAX: usize = 8;

/// A page each, what database it finds, and a test of its own, so that they run beside one another.
macro_rules! pages {
    ($($name:ident: $path:literal, $database:ident;)*) => {
        /// Pages with a test of their own.
        const PAGES: &[&str] = &[$($path),*];

        $(#[test]
        fn $name() {
            follow($path, Database::$database);
        })*
    };
}

pages! {
    the_readme: "README.md", Private;
    applications: "docs/guides/applications.md", Demo;
    audit: "docs/guides/audit.md", Demo;
    cli: "docs/guides/cli.md", Demo;
    configuration: "docs/guides/configuration.md", Demo;
    credential_format: "docs/guides/credential-format.md", Demo;
    credentials: "docs/guides/credentials.md", Demo;
    identity: "docs/guides/identity.md", Empty;
    import: "docs/guides/import.md", Demo;
    issuers: "docs/guides/issuers.md", Demo;
    observing: "docs/guides/observing.md", Demo;
    operating: "docs/guides/operating.md", Empty;
    participants: "docs/guides/participants.md", Empty;
    postings: "docs/guides/postings.md", Demo;
    programmes: "docs/guides/programmes.md", Demo;
    quickstart: "docs/guides/quickstart.md", Private;
    samples_of_programmes: "programmes/README.md", Demo;
    security: "docs/guides/security.md", Empty;
    subsidies: "docs/guides/subsidies.md", Demo;
    workers: "docs/guides/workers.md", Demo;
}

#[test]
fn pages_without_a_test_of_their_own() {
    for path in pages().iter().filter(|path| !PAGES.contains(&path.as_str())) {
        follow(path, Database::Demo);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths of all pages that a reader works through.
fn pages() -> Vec<String> {
    let guides = std::fs::read_dir(root().join("docs/guides")).expect("guides");
    let guides = guides.map(|it| it.expect("a guide").path());
    let is_page = |it: &PathBuf| it.extension().is_some_and(|it| it == "md");
    let named =
        |it: &PathBuf| it.file_name().and_then(|it| it.to_str()).expect("a name").to_owned();
    let mut pages: Vec<_> =
        guides.filter(is_page).map(|it| format!("docs/guides/{}", named(&it))).collect();
    pages.extend(["README.md".to_owned(), "programmes/README.md".to_owned()]);
    pages.sort();
    pages
}

fn read(path: &str) -> Page {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path}"));
    Page::parse(path, &text).unwrap_or_else(|why| panic!("{why}"))
}

fn follow(path: &str, database: Database) {
    let page = read(path);
    if page.blocks > 0 {
        run::run(&page, database).unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn little_is_left_out_and_the_page_says_why() {
    let not_run: Vec<_> = (pages().iter())
        .flat_map(|path| {
            let page = read(path);
            page.not_run.into_iter().map(move |(line, why)| format!("{}:{line}: {why}", page.path))
        })
        .collect();
    assert!(not_run.len() <= NOT_RUN_MAX, "{}", not_run.join("\n"));
    assert!(not_run.iter().all(|it| it.split(' ').count() > 3), "{}", not_run.join("\n"));
}

/// How a fence is marked is not shown to a reader.
#[test]
fn a_file_that_the_reader_writes_is_named_in_the_text() {
    for path in pages() {
        let text = std::fs::read_to_string(root().join(&path)).expect("a page");
        for name in read(&path).files {
            assert!(text.contains(&format!("`{name}`")), "{path} does not name {name}");
        }
    }
}

/// A page with a fault in each of the ways that pages have them, and what is said about it.
#[test]
fn a_page_that_is_wrong_is_found_out() {
    let fails = |text: &str, told: &[&str]| {
        let page = Page::parse("planted.md", text).unwrap();
        let why = run::run(&page, Database::Empty).unwrap_err();
        for part in told {
            assert!(why.contains(part), "{part} is not in: {why}");
        }
    };
    fails(
        "# Page\n\n```sh\necho so far\npeshub nosuch --flag\necho not reached\n```\n",
        &["planted.md:5: peshub nosuch --flag", "unrecognized subcommand", "so far"],
    );
    fails("```sh\necho \"$never_set\"\n```\n", &["planted.md", "never_set: unbound variable"]);
    fails("```sh\nfalse | cat\n```\n", &["planted.md:2: "]);
    fails("```console\n$ peshub --version\npeshub 99.9\n```\n", &["planted.md:2: shows", "99.9"]);
    fails("```sh background\npeshub serve --nosuch\n```\n", &["planted.md:3: no hub", "--nosuch"]);
    let sound = "```text file: a\nb\n```\n```sh\ngrep b a\n```\n```console\n$ cat a\nb\n```\n";
    let sound = Page::parse("sound.md", sound).unwrap();
    run::run(&sound, Database::Empty).unwrap();
}
