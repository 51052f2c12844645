-- add --
-- Mark a document as right for a question; marked again, it has the words of the last time.
INSERT INTO kb_mark (id, item, question, root, path, quote, marked_by)
VALUES (:id, :item, :question, :root, :path, :quote, :by)
ON DUPLICATE KEY UPDATE question = VALUE(question), quote = VALUE(quote), marked_by = VALUE(marked_by),
  marked_at = UTC_TIMESTAMP(6)

-- list --
-- All marks, those of a question together, in the order of their first.
SELECT id, item, question, root, path, quote, marked_by, marked_at FROM kb_mark
ORDER BY MIN(marked_at) OVER (PARTITION BY item), item, marked_at, id

-- remove --
-- Take a mark away.
DELETE FROM kb_mark WHERE id = :id
