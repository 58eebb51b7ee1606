// Draws the short names of scripts/inner-names.json anew: `node scripts/choose-names.mjs [seconds]`. Which letter stands
// for which name is all the same to a browser, but not to gzip: a good choice saves some 80 bytes of the 5,500 that the
// client may have. Run it when test/client/bundle.test.ts says that the client has grown too large; it never makes it larger.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { drawn, shorten } from './shorten.mjs';

const INPUTS = ['token-manager.ts', 'idle.ts'];
const seconds = Number(process.argv[2] ?? 120);
const names = Object.keys(drawn.properties);
const LETTERS = [...drawn.letters];
// What the unit of a duration is called, in a file where nothing else may be called so.
const SHORT = LETTERS.filter((letter) => !'dhms'.includes(letter));

const size = (code) => gzipSync(code, { level: 9 }).length;
const real = async (chosen) => {
  const codes = await Promise.all(INPUTS.map((input) => shorten(input, 'esm', chosen)));
  return codes.reduce((sum, code) => sum + size(code), 0);
};

// Texts with a mark for each name and each variable, in place of which letters can be tried quickly.
const marked = {
  letters: LETTERS.map((_, n) => `V${String(n).padStart(2, '0')}V`),
  properties: Object.fromEntries(names.map((name, n) => [name, `P${String(n).padStart(2, '0')}P`])),
};
const texts = await Promise.all(INPUTS.map((input) => shorten(input, 'esm', marked)));
const parts = texts.map((text) => text.split(/([VP]\d\d[VP])/));
const tried = ({ properties, letters }) =>
  parts.reduce((sum, pieces) => {
    const text = pieces
      .map((piece, n) =>
        n % 2 === 0 ? piece : (piece[0] === 'P' ? properties : letters)[Number(piece.slice(1, 3))],
      )
      .join('');
    return sum + size(text.replace(/([{,])([\w$]+):\2(?=[,}])/g, '$1$2'));
  }, 0);

/** Another choice that differs by one exchange. */
function neighbour({ properties, letters }) {
  const any = (list) => Math.floor(Math.random() * list.length);
  if (Math.random() < 0.4) {
    const next = [...letters];
    const [one, other] = [any(next), any(next)];
    [next[one], next[other]] = [next[other], next[one]];
    return { properties, letters: next };
  }
  const next = [...properties];
  const [one, letter] = [any(next), SHORT[any(SHORT)]];
  const other = next.indexOf(letter);
  if (other >= 0) next[other] = next[one];
  next[one] = letter;
  return { properties: next, letters };
}

// Simulated annealing: what is worse by a byte or two is taken as well, less and less often.
let now = { properties: Object.values(drawn.properties), letters: LETTERS };
let nowSize = tried(now);
let best = now;
let bestSize = nowSize;
const beganMs = Date.now();
for (let left = 1; left > 0; left = 1 - (Date.now() - beganMs) / 1000 / seconds) {
  const next = neighbour(now);
  const nextSize = tried(next);
  if (nextSize > nowSize && Math.random() >= Math.exp((nowSize - nextSize) / Math.max(0.05, 1.2 * left)))
    continue;
  [now, nowSize] = [next, nextSize];
  if (nowSize < bestSize) [best, bestSize] = [now, nowSize];
}

const chosen = {
  letters: best.letters.join(''),
  properties: Object.fromEntries(names.map((name, n) => [name, best.properties[n]])),
};
const [before, after] = [await real(drawn), await real(chosen)];
process.stdout.write(`${INPUTS.join(' + ')}: ${before} bytes before, ${after} now\n`);
if (after < before) {
  writeFileSync(
    fileURLToPath(new URL('inner-names.json', import.meta.url)),
    `${JSON.stringify(chosen, null, 2)}\n`,
  );
}
