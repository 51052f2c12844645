// Makes kb/page/vendor/*.js of the packages beside this file: `make vendor`.
//
// Each has a file with the licences of all that is in it, and stands in manifest.json with
// their versions and its SHA-256.

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const TARGET = new URL("../../../kb/page/vendor/", import.meta.url);
const HERE = new URL("./", import.meta.url);
const BUNDLES = ["chart", "codemirror"];
const COPIES = ["pdf.min.mjs", "pdf.worker.min.mjs"].map(
  (name) => `pdfjs-dist/legacy/build/${name}`,
);

async function bundle(name) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: HERE.pathname,
    banner: { js: "// @ts-nocheck" }, // its makers check it, in its own language
    entryPoints: [`${name}.js`],
    bundle: true,
    format: "esm",
    legalComments: "none", // they stand in a file of their own
    metafile: true,
    minify: true,
    target: "es2022",
    write: false,
  });
  return keep(`${name}.js`, outputFiles[0].contents, packagesOf(metafile));
}

async function copy(path) {
  const code = await readFile(new URL(`node_modules/${path}`, HERE));
  return keep(path.split("/").at(-1), code, [path.split("/")[0]]);
}

async function keep(file, code, names) {
  const packages = await Promise.all(names.map(described));
  const licences = file.replace(/\.m?js$/, ".LICENSE.txt");
  await writeFile(new URL(file, TARGET), code);
  await writeFile(new URL(licences, TARGET), packages.map(licenceOf).join("\n"));
  return {
    file,
    sha256: createHash("sha256").update(code).digest("hex"),
    licence: [...new Set(packages.map((each) => each.license))].join(", "),
    packages: Object.fromEntries(packages.map((each) => [each.name, each.version])),
  };
}

function packagesOf({ inputs }) {
  const names = Object.keys(inputs).map(
    (file) => file.match(/^node_modules\/((@[^/]+\/)?[^/]+)/)?.[1],
  );
  return [...new Set(names.filter(Boolean))].sort();
}

async function described(name) {
  const folder = new URL(`node_modules/${name}/`, HERE);
  const { license, version } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
  return { name, version, license, text: await readFile(new URL(file, folder), "utf8") };
}

function licenceOf({ name, version, license, text }) {
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}

const made = await Promise.all([...BUNDLES.map(bundle), ...COPIES.map(copy)]);
made.sort((one, other) => (one.file < other.file ? -1 : 1));
await writeFile(new URL("manifest.json", TARGET), `${JSON.stringify(made, null, 2)}\n`);
