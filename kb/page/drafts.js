// Questions that are being written, kept in this browser until they are asked; each chat has its own.

const PREFIX = "kb-draft-";
const NEW = "new"; // for the chat that is not yet one

export function readDraft(id) {
  return localStorage.getItem(PREFIX + (id ?? NEW)) ?? "";
}

export function keepDraft(id, text) {
  const key = PREFIX + (id ?? NEW);
  if (text.trim()) localStorage.setItem(key, text);
  else localStorage.removeItem(key);
}

// Who signs out leaves nothing behind.
export function forgetDrafts() {
  for (const key of Object.keys(localStorage))
    if (key.startsWith(PREFIX)) localStorage.removeItem(key);
}
