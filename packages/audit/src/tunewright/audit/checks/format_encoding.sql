-- id: format.encoding
-- severity: fail
-- reason: Readers differ in what they make of such bytes, so the model is trained on something else than was checked.
-- hint: Write UTF-8 without a byte order mark, strict JSON, one row a line.
SELECT file, line, detail,
    CASE WHEN kind IN ('utf8', 'nan', 'surrogate', 'duplicate_key') THEN 'fail'
         WHEN kind IN ('bom', 'long_row') THEN 'warn' ELSE 'info' END AS severity,
    CASE kind WHEN 'utf8' THEN 'Bytes that are not UTF-8' WHEN 'nan' THEN 'NaN or Infinity, which are not JSON'
        WHEN 'surrogate' THEN 'Half of a surrogate pair, which is not a character'
        WHEN 'duplicate_key' THEN 'The same key twice in one object'
        WHEN 'bom' THEN 'A byte order mark at the beginning of a file'
        WHEN 'long_row' THEN 'Rows above 16 MB' WHEN 'crlf' THEN 'Lines that end in CR LF' ELSE 'Blank lines' END AS message
FROM faults WHERE kind IN ('utf8', 'nan', 'surrogate', 'duplicate_key', 'bom', 'long_row', 'crlf', 'blank')
