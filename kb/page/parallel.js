// Some work for each of many, a few at once.

/** @param {Array} items @param {number} most @param {(item: any) => Promise<unknown>} work */
export async function forEachOf(items, most, work) {
  const rest = [...items];
  const take = async () => {
    while (rest.length) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: most }, take));
}
