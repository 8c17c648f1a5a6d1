-- id: format.unreadable_line
-- severity: fail
-- reason: Loaders stop at such a line, or drop it, or count every later line wrong.
-- message: Lines that cannot be read: {rows}
-- hint: Write the file with a JSON library, one object a line, and finish the last line.
SELECT file, line, detail FROM faults WHERE kind IN ('unreadable', 'torn', 'cut')
