//! What a page has its reader do: its fenced blocks, as one program of bash in which everything stands on its line of the page.
//!
//! | fence | means |
//! |---|---|
//! | `sh` | commands, run in order; what an earlier block has set is set |
//! | `sh background` | the same in another terminal; the next block begins when the hub is ready |
//! | `sh not-run: WHY` | commands that cannot be run here |
//! | `console` | lines with `$ ` are commands, what follows is what they print; `…` stands for anything |
//! | `LANGUAGE file: NAME` | a file that the reader writes |

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a fenced block is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Run,
    Background,
    NotRun(String),
    Console,
    File(String),
    Shown,
}

/// A page, taken apart.
#[derive(Debug)]
pub(super) struct Page {
    /// Its path from the root of the project.
    pub(super) path: String,
    /// A program of bash with as many lines as the page.
    pub(super) program: String,
    /// The blocks that are not run: their lines, and why.
    pub(super) not_run: Vec<(usize, String)>,
    /// What the commands of consoles should print, by their lines.
    pub(super) shown: BTreeMap<usize, String>,
    /// The files that the reader writes.
    pub(super) files: Vec<String>,
    /// How many blocks are run.
    pub(super) blocks: usize,
}

impl Kind {
    fn of(info: &str) -> Result<Self, String> {
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        let is_shell = ["sh", "bash", "shell", "zsh", "console"].contains(&language);
        match (language, rest.split_once(": ").unwrap_or((rest, ""))) {
            ("sh", ("", "")) => Ok(Self::Run),
            ("sh", ("background", "")) => Ok(Self::Background),
            ("sh", ("not-run", why)) if !why.trim().is_empty() => Ok(Self::NotRun(why.to_owned())),
            ("console", ("", "")) => Ok(Self::Console),
            (_, ("file", name)) if !is_shell && !name.is_empty() => Ok(Self::File(name.to_owned())),
            _ if is_shell => Err(format!("a block of commands cannot be ```{info}")),
            _ => Ok(Self::Shown),
        }
    }
}

impl Page {
    /// Takes a page apart, or says with its line what cannot be understood.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let mut page = Self {
            path: path.to_owned(),
            program: String::new(),
            not_run: Vec::new(),
            shown: BTreeMap::new(),
            files: Vec::new(),
            blocks: 0,
        };
        let (mut open, mut command) = (None, None);
        for (line, text) in (1..).zip(text.lines()) {
            let written = match (&open, text.trim_start().strip_prefix("```")) {
                (None, Some(info)) => {
                    let kind = Kind::of(info).map_err(|why| format!("{path}:{line}: {why}"))?;
                    let written = page.opening(line, &kind);
                    (open, command) = (Some(kind), None);
                    written
                }
                (Some(kind), Some("")) => {
                    let written = match kind {
                        Kind::Background => format!("}} & __ready {line}"),
                        Kind::File(_) => "__FILE__".to_owned(),
                        _ => String::new(),
                    };
                    open = None;
                    written
                }
                (Some(Kind::Console), _) => page.console(line, text, &mut command),
                (Some(Kind::Run | Kind::Background | Kind::File(_)), _) => text.to_owned(),
                (None | Some(Kind::NotRun(_) | Kind::Shown), _) => String::new(),
            };
            // Writing to a text does not fail.
            writeln!(page.program, "{written}").unwrap_or_default();
        }
        if open.is_some() { Err(format!("{path}: a block has no end")) } else { Ok(page) }
    }

    fn opening(&mut self, line: usize, kind: &Kind) -> String {
        match kind {
            Kind::NotRun(why) => self.not_run.push((line, why.clone())),
            Kind::Shown => {}
            Kind::File(name) => self.files.push(name.clone()),
            _ => self.blocks += 1,
        }
        match kind {
            // What ends it at the end is no failure; one before it is seen then.
            Kind::Background => "{ trap - ERR".to_owned(),
            Kind::File(name) => format!("cat >{name} <<'__FILE__'"),
            _ => String::new(),
        }
    }

    fn console(&mut self, line: usize, text: &str, command: &mut Option<usize>) -> String {
        if let Some(typed) = text.strip_prefix("$ ") {
            *command = Some(line);
            self.shown.insert(line, String::new());
            // How it ends is seen from what it prints.
            return format!("{{ {typed} ; }} >\"$SHOWN/{line}\" 2>&1 || true");
        }
        let printed = command.and_then(|line| self.shown.get_mut(&line));
        if let Some(printed) = printed {
            printed.push_str(text);
            printed.push('\n');
        }
        String::new()
    }
}

/// Returns whether what was printed is what a page shows, in which `…` stands for anything.
pub(super) fn is_as_shown(shown: &str, printed: &str) -> bool {
    let mut parts = shown.trim_end().split('…');
    let Some(mut rest) = parts.next().and_then(|it| printed.trim_end().strip_prefix(it)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn a_page_keeps_its_lines() {
    let text = "# One\n\n```sh\nx=1\n```\n\n```toml file: a.toml\nb = 2\n```\n```console\n$ echo $x\n1\n```\n";
    let page = Page::parse("one.md", text).unwrap();
    let lines: Vec<_> = page.program.lines().collect();
    assert_eq!(lines.len(), text.lines().count());
    assert_eq!((lines[3], lines[6], lines[8]), ("x=1", "cat >a.toml <<'__FILE__'", "__FILE__"));
    assert!(lines[10].starts_with("{ echo $x ; }"));
    assert_eq!(page.shown[&11], "1\n");
    for wrong in ["```sh not-run:\n```", "```sh somehow\n```", "```bash\n```", "```sh\n"] {
        assert!(Page::parse("two.md", wrong).unwrap_err().starts_with("two.md:"), "{wrong}");
    }
}

#[test]
fn what_is_shown_may_leave_out_what_differs() {
    assert!(is_as_shown("one\n", "one\n\n") && !is_as_shown("one", "one two"));
    assert!(is_as_shown("at …, id …\n", "at 9:00, id 7\n") && is_as_shown("a…", "abc"));
    assert!(!is_as_shown("a … c … e", "a b e") && !is_as_shown("a…c", "acd"));
}
