-- id: format.empty_content
-- severity: fail
-- reason: An empty answer teaches the model to say nothing; an empty request gives it nothing to go by.
-- hint: Remove the row, or fill in what is missing.
SELECT m.example, CASE role WHEN 'assistant' THEN 'fail' WHEN 'tool' THEN 'info' ELSE 'warn' END AS severity,
    CASE role WHEN 'assistant' THEN 'Answers that hold neither text nor a call' ELSE 'Empty ' || role || ' messages' END AS message,
    'message ' || m.position AS detail
FROM messages m
WHERE NOT regexp_matches(m.content, '\S')
    AND NOT (role = 'assistant' AND EXISTS (FROM calls c WHERE c.example = m.example AND c.message = m.position))
