// Puts the libraries that npm fetched where the viewer serves them: `make setup` calls it.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const FROM = new URL("node_modules/", import.meta.url);
const TO = new URL("static/vendor/", import.meta.url);

/** A built script without the address of its source map, which is not served. */
const script = (path) => readFileSync(new URL(path, FROM), "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
const write = (name, text) => writeFileSync(new URL(name, TO), text);
const copy = (path, name) => copyFileSync(new URL(path, FROM), new URL(name, TO));

rmSync(TO, { recursive: true, force: true });
mkdirSync(TO, { recursive: true });

write("hls.mjs", script("hls.js/dist/hls.min.mjs"));
write("hls.worker.js", script("hls.js/dist/hls.worker.js"));
copy("hls.js/LICENSE", "hls.LICENSE");

// uPlot has no module that is minified: its script sets a variable, which is what the module exports.
write("uplot.mjs", `${script("uplot/dist/uPlot.iife.min.js")}export default uPlot;\n`);
copy("uplot/dist/uPlot.min.css", "uplot.css");
copy("uplot/LICENSE", "uplot.LICENSE");

// Types, for `make types`.
write("hls.d.mts", 'export * from "hls.js";\nexport { default } from "hls.js";\n');
write("uplot.d.mts", 'import uPlot from "uplot";\nexport default uPlot;\n');
