-- id: text.secrets
-- severity: fail
-- reason: A model repeats what it was trained on; a key in the data is a key in the model.
-- hint: Revoke the key, then replace it in the data.
WITH found AS (
    SELECT example, position, role, regexp_extract(content,
        '(AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,}|glpat-[\w-]{20}|xox[abprs]-[\w-]{20,}'
        || '|sk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}|AIza[\w-]{35}|hf_[A-Za-z]{34}|sk_live_\w{24,}|npm_\w{36}|pypi-AgEI[\w-]{50,}'
        || '|-----BEGIN (?:RSA |EC |OPENSSH |DSA |PGP )?PRIVATE KEY|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}') AS key
    FROM messages
)
SELECT example, format('What looks like a secret in {} messages', role) AS message,
    format('message {}: {}…', position, key[:8]) AS detail
FROM found WHERE key <> '' AND NOT regexp_matches(key, '(?i)example|x{6}|0{8}|1234567')
