//! A selection that is kept by id while rows come and go, and the rows that are in view.

/// Which row is selected, and how far the list is scrolled.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<K> {
    selected: Option<K>,
    // Where the selected row stood last: the row that takes its place is selected when it goes.
    index: usize,
    offset: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self {
            selected: None,
            index: 0,
            offset: 0,
        }
    }
}

impl<K: Copy + PartialEq> Cursor<K> {
    /// The selected row's id among those that are there now; the first one's at the beginning.
    pub(crate) fn selected(&self, keys: &[K]) -> Option<K> {
        keys.get(self.index(keys)?).copied()
    }

    /// The selected row as it was settled last.
    pub(crate) const fn id(&self) -> Option<K> {
        self.selected
    }

    /// Where it stood then.
    pub(crate) const fn row(&self) -> usize {
        self.index
    }

    fn index(&self, keys: &[K]) -> Option<usize> {
        let last = keys.len().checked_sub(1)?;
        let found = self.selected.and_then(|id| {
            if keys.get(self.index) == Some(&id) {
                Some(self.index)
            } else {
                keys.iter().position(|key| *key == id)
            }
        });
        Some(found.unwrap_or(self.index.min(last)))
    }

    /// Takes note of the rows that are there now.
    pub(crate) fn settle(&mut self, keys: &[K]) {
        match self.index(keys) {
            Some(index) => self.put(keys, index),
            None => self.selected = None,
        }
    }

    /// Selects the row at a place, the last one where it is beyond.
    pub(crate) fn put(&mut self, keys: &[K], index: usize) {
        let index = index.min(keys.len().saturating_sub(1));
        self.index = index;
        self.selected = keys.get(index).copied();
    }

    /// Selects a row by its id.
    pub(crate) fn select(&mut self, keys: &[K], id: K) {
        if let Some(index) = keys.iter().position(|key| *key == id) {
            self.put(keys, index);
        }
    }

    /// Moves by rows, and stays at the ends.
    pub(crate) fn step(&mut self, keys: &[K], by: isize) {
        if let Some(index) = self.index(keys) {
            self.put(keys, index.saturating_add_signed(by));
        }
    }

    /// The first row in view, so that `row` of `total` rows stands within `height`; `above` rows
    /// before it are kept in view as well where they fit.
    pub(crate) fn scroll(
        &mut self,
        row: usize,
        above: usize,
        total: usize,
        height: usize,
    ) -> usize {
        let top = row.saturating_sub(above.min(height.saturating_sub(1)));
        if top < self.offset {
            self.offset = top;
        }
        if height > 0 && row >= self.offset + height {
            self.offset = row + 1 - height;
        }
        self.offset = self.offset.min(total.saturating_sub(height));
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_follows_its_id_and_falls_to_the_row_that_takes_its_place() {
        let mut cursor = Cursor::default();
        cursor.settle(&[1, 2, 3]);
        cursor.step(&[1, 2, 3], 1);
        assert_eq!(cursor.selected(&[0, 1, 2, 3]), Some(2));
        cursor.settle(&[0, 1, 2, 3]);
        assert_eq!(cursor.selected(&[0, 1, 3]), Some(3));
        assert_eq!(cursor.selected(&[0]), Some(0));
        assert_eq!(cursor.selected(&[]), None);
    }

    #[test]
    fn steps_stay_within_the_rows() {
        let mut cursor = Cursor::default();
        let keys = [1, 2, 3];
        cursor.step(&keys, -5);
        assert_eq!(cursor.selected(&keys), Some(1));
        cursor.step(&keys, 50);
        assert_eq!(cursor.selected(&keys), Some(3));
    }

    #[test]
    fn the_selected_row_is_always_in_view() {
        let mut cursor = Cursor::<u32>::default();
        assert_eq!(cursor.scroll(9, 0, 20, 5), 5);
        assert_eq!(cursor.scroll(7, 0, 20, 5), 5);
        assert_eq!(cursor.scroll(4, 1, 20, 5), 3);
        assert_eq!(cursor.scroll(0, 0, 3, 5), 0);
        assert_eq!(cursor.scroll(0, 1, 3, 0), 0);
    }
}
