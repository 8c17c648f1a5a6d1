-- id: text.pii
-- severity: warn
-- reason: What identifies a person should be in a model only on purpose.
-- hint: Replace it by made-up values of reserved ranges (example.com, 555-01xx).
WITH numbered AS (
    -- One look at everything, five at what is left.
    SELECT example, position, content FROM messages
    WHERE regexp_matches(content, '\d{3}[ ).-]{0,2}\d{3}|\d-\d\d-\d|[A-Z]{2}\d\d ?[A-Z0-9]{4}')
), found AS (
    SELECT example, position, 'e-mail addresses' AS kind, unnest(list_distinct(regexp_extract_all(content,
        '\b[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b'))) AS text
    FROM messages WHERE contains(content, '@')
    UNION ALL
    SELECT example, position, 'telephone numbers', unnest(list_distinct(regexp_extract_all(content,
        '(?:\+\d{1,3}[ .-]?)(?:\(\d{2,4}\)|\d{2,4})[ .-]\d{3,4}[ .-]?\d{3,4}\b|\(\d{3}\) \d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b')))
    FROM numbered
    UNION ALL
    SELECT example, position, 'United States social security numbers', unnest(list_distinct(regexp_extract_all(content,
        '\b[0-8]\d{2}-\d{2}-\d{4}\b')))
    FROM numbered
    UNION ALL
    SELECT example, position, 'bank account numbers (IBAN)', unnest(list_distinct(regexp_extract_all(content,
        '\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b')))
    FROM numbered
    UNION ALL
    SELECT example, position, 'payment card numbers', text FROM (
        SELECT example, position, unnest(list_distinct(regexp_extract_all(content,
            '\b(?:4\d{3}|5[1-5]\d{2}|3[47]\d{2}|6011)[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}\b'))) AS text
        FROM numbered
    )
    -- Luhn's check digit: every second digit from the right doubled, digits summed.
    WHERE list_sum(list_transform(range(1, length(regexp_replace(text, '\D', '', 'g')) + 1), lambda i:
        (reverse(regexp_replace(text, '\D', '', 'g')))[i]::INTEGER * if(i % 2 = 0, 2, 1)
        - if(i % 2 = 0 AND (reverse(regexp_replace(text, '\D', '', 'g')))[i]::INTEGER > 4, 9, 0))) % 10 = 0
)
SELECT example, 'What looks like ' || kind AS message, format('message {}: {}…', position, text[:4]) AS detail
FROM found
WHERE NOT regexp_matches(text, '(?i)@(?:[\w-]+\.)*(?:example|test|invalid|localhost)(?:\.\w+)?$|@users\.noreply|555-01')
    AND NOT regexp_matches(text, '(?i)\.(?:py|js|ts|png|jpg|svg|git)$')
