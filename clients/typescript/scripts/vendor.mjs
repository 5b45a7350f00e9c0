// Writes vendor/msgpack.mjs: the MessagePack codec as one ES module, so that browsers can load
// the SDK with neither a bundler nor a CDN. Run after changing the locked version.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
export const vendoredPath = path.join(root, "vendor", "msgpack.mjs");

/** @returns {Promise<string>} what vendor/msgpack.mjs must hold */
export async function renderVendoredCodec() {
  const require = createRequire(import.meta.url);
  const packageRoot = path.dirname(require.resolve("@msgpack/msgpack/package.json"));
  const { version } = JSON.parse(await readFile(path.join(packageRoot, "package.json"), "utf8"));
  const licence = await readFile(path.join(packageRoot, "LICENSE"), "utf8");
  const header = [
    `@msgpack/msgpack ${version}, made by scripts/vendor.mjs: do not edit.`,
    "",
    ...licence.trim().split(/\r?\n/u),
  ];
  const built = await build({
    stdin: {
      contents: 'export { encode, decode } from "@msgpack/msgpack";',
      resolveDir: root,
    },
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
  });
  const comment = header.map((line) => `// ${line}`.trimEnd()).join("\n");
  // Module-path comments of the bundler carry no information for readers.
  const code = built.outputFiles[0].text.replace(/^\/\/ node_modules\/.*\n/gmu, "");
  return `${comment}\n\n${code}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(vendoredPath, await renderVendoredCodec());
}
