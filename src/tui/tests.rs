//! The screens as pictures and by keys.

use crate::tui::fixture::{Screen, company, crowd, empty};

#[test]
fn look() {
    let dump = |title: &str, mut screen: Screen, keys: &str| {
        screen.keys(keys);
        println!("=== {title}\n{}", screen.text());
    };
    let mut big = company();
    big.requests
        .insert(1, std::sync::Arc::new(crate::tui::fixture::edit(2, 2)));
    big.requests
        .insert(1, std::sync::Arc::new(crate::tui::fixture::question(3, 3)));
    dump("processes 120x40", Screen::new(company(), 120, 40), "");
    dump("details 120x40", Screen::new(company(), 120, 40), "<enter>");
    dump(
        "details 80x24",
        Screen::new(company(), 80, 24),
        "jjj<enter>",
    );
    dump("tasks 120x30", Screen::new(company(), 120, 30), "2");
    dump("tasks 80x24", Screen::new(company(), 80, 24), "2j");
    dump("task", Screen::new(company(), 80, 24), "2G<enter>");
    dump("inbox 120x40", Screen::new(big.clone(), 120, 40), "3jj");
    dump("inbox 160x40", Screen::new(big.clone(), 160, 40), "3");
    dump("inbox 80x24", Screen::new(big.clone(), 80, 24), "3");
    dump("answer", Screen::new(big.clone(), 80, 24), "3jA");
    dump("roles 80", Screen::new(company(), 80, 24), "4");
    dump("roles 160", Screen::new(company(), 160, 30), "4");
    dump("hire", Screen::new(company(), 120, 40), "njjj2");
    dump("hire 80", Screen::new(company(), 80, 24), "njjjj2jj1");
    dump("hire 50", Screen::new(company(), 50, 20), "njjjj2jj1<tab>");
    dump(
        "task dialog",
        Screen::new(company(), 80, 24),
        "jtWrite a test",
    );
    dump(
        "task dialog leave",
        Screen::new(company(), 80, 24),
        "jtWrite a test<tab><right><esc>",
    );
    dump("help", Screen::new(company(), 100, 60), "?");
    dump("help", Screen::new(company(), 80, 24), "?");
    dump("palette", Screen::new(company(), 80, 24), ":st");
    dump("rule", Screen::new(company(), 80, 24), "Y");
    let _ = (crowd(1), empty());
}
