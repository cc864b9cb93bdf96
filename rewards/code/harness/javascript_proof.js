// Runs the program with its tests, whose last line gives the proof to endOfTests. The source is gone from disk by then.
"use strict";
const fs = require("fs");
const vm = require("vm");
const write = fs.writeSync;
const exit = process.exit;
const source = fs.readFileSync("program.js", "utf8");
fs.unlinkSync("program.js");
let failed = false;
const fixed = (object, name, value) => Object.defineProperty(object, name, { value, writable: false, configurable: false });
fixed(console, "assert", (ok) => { failed = failed || !ok; });
fixed(globalThis, "console", console);
fixed(globalThis, "require", require);
for (const name of ["assert", "node:assert"]) {
    Object.freeze(require(name));
    Object.freeze(require(name).strict);
}
// What tests compare with: a program must not make JSON.stringify or toString say the same of everything.
for (const object of [JSON, Math, Object, Array, String, Number, Boolean, Map, Set, Symbol, Reflect]) Object.freeze(object);
for (const type of [Object, Array, String, Number, Boolean]) fixed(type.prototype, "toJSON", undefined);
for (const name of Object.getOwnPropertyNames(Array.prototype)) {
    if (typeof Array.prototype[name] === "function") fixed(Array.prototype, name, Array.prototype[name]);
}
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;
fixed(globalThis, "endOfTests", (proof) => { if (!failed) write(1, proof + "\n"); });
try {
    vm.runInThisContext(source, { filename: "program.js" });
} catch (error) {
    write(2, String(error && error.stack) + "\n");
    exit(1);
}
if (failed) exit(1);
