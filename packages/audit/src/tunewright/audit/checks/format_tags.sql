-- id: format.tags
-- severity: fail
-- reason: A call whose tags do not close teaches the model to write calls that no server can read.
-- message: {rows} messages have tags that do not open and close as they should
-- hint: Write calls with one renderer, and parse what it wrote before saving it.
SELECT example, detail FROM problems WHERE kind = 'tags'
UNION ALL
SELECT example, 'message ' || position || ': <tool_response> and </tool_response> do not match' AS detail
FROM messages
WHERE role = 'tool' AND contains(content, 'tool_response>')
    AND len(regexp_extract_all(content, '<tool_response>')) <> len(regexp_extract_all(content, '</tool_response>'))
