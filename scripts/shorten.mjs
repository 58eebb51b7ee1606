// How the browser's files become short: in one bundle, with short names for what nobody outside of it sees.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { minify } from 'terser';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Which letters are taken first for variables, and the names of properties that never leave a bundle, with their short
 * ones. test/client/bundle.test.ts proves by the types that none of them does; scripts/choose-names.mjs draws the letters.
 */
export const drawn = JSON.parse(readFileSync(`${root}scripts/inner-names.json`, 'utf8'));

/** The text of the bundle of `input`, under src/client; `format`: esm or iife. */
export async function shorten(input, format, { letters, properties } = drawn) {
  const bundle = await rolldown({
    input: `src/client/${input}`,
    cwd: root,
    platform: 'browser',
    logLevel: 'warn',
  });
  const include = new RegExp(`^(${Object.keys(properties).join('|')})$`);
  const mangleProps = { include, cache: properties };
  // Hints such as /* @__PURE__ */ are for bundlers, and what is in the bundle has been through one.
  const options = {
    format,
    comments: false,
    minify: { compress: true, codegen: true, mangle: true, mangleProps },
  };
  const [{ code }] = (await bundle.generate(options)).output;
  // Each of the two finds what the other one leaves: 80 bytes of 5,500, gzipped.
  const { code: short } = await minify(code, {
    ecma: 2022,
    module: format === 'esm',
    toplevel: true,
    compress: { passes: 3, hoist_funs: true, unsafe_arrows: true, unsafe_methods: true },
    mangle: { nth_identifier: { get: (n) => nameOf(n, letters) } },
  });
  return short;
}

/** The n-th of the names of one letter, and then of two. */
function nameOf(n, letters) {
  return n < letters.length
    ? letters[n]
    : nameOf(Math.floor(n / letters.length) - 1, letters) + letters[n % letters.length];
}
