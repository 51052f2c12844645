// What was dropped or chosen as [{ file, folder }]: directories with all that is in them.

const isHidden = (name) => name.startsWith("."); // as `kb index` passes them over

/** @param {Iterable<DataTransferItem>} items */
export async function filesOfDrop(items) {
  const dropped = [...items].filter((each) => each.kind === "file");
  // All at once: the items are empty as soon as the event is over.
  const found = dropped.map((each) => ({ entry: each.webkitGetAsEntry(), file: each.getAsFile() }));
  const files = await Promise.all(
    found.map(({ entry, file }) =>
      entry?.isDirectory ? filesBelow(entry, entry.name) : [{ file, folder: "" }],
    ),
  );
  return files.flat();
}

/** @param {Iterable<File>} files */
export function filesOfChoice(files) {
  return [...files]
    .map((file) => ({ file, folder: file.webkitRelativePath.split("/").slice(0, -1).join("/") }))
    .filter(({ file, folder }) => !folder || ![...folder.split("/"), file.name].some(isHidden));
}

async function filesBelow(directory, folder) {
  const found = [];
  for (const entry of await entriesOf(directory)) {
    if (isHidden(entry.name)) continue;
    if (entry.isDirectory) found.push(...(await filesBelow(entry, `${folder}/${entry.name}`)));
    else found.push({ file: await fileOf(entry), folder });
  }
  return found;
}

// Browsers tell them a hundred at a time, and none at last.
async function entriesOf(directory) {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
