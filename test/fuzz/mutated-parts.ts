import type { Random } from './random.js';

/** Headers that are right, that are nearly right, and that mustn't be. */
export function headerTexts(alg: string): string[] {
  return [
    `{"typ":"JWT","alg":"${alg}"}`,
    `{"alg":"${alg}"}`,
    `{ "alg" : "${alg}" ,\n "typ":"JWT" }`,
    `\ufeff{"alg":"${alg}"}`,
    `{"alg":"${alg}","typ":"at+jwt","kid":"1","x5c":["AA"]}`,
    `{"\\u0061lg":"${alg}"}`,
    `{"alg":"none","alg":"${alg}"}`,
    `{"alg":"${alg}","alg":"none"}`,
    `{"alg":"${alg}","kid":7}`,
    `{"alg":"none"}`,
    `{"alg":""}`,
    `{}`,
    `{"ALG":"${alg}"}`,
    `{"alg":"${alg.toLowerCase()}"}`,
    `{"alg":" ${alg}"}`,
    `{"alg":"${alg}\\u0000"}`,
    `{"alg":["${alg}"]}`,
    `{"alg":null}`,
    `{"alg":256}`,
    `{"alg":"HS256"}`,
    `{"alg":"HS384"}`,
    `{"alg":"HS512"}`,
    `{"alg":"RS256"}`,
    `{"alg":"${alg}","crit":[]}`,
    `{"alg":"${alg}","crit":null}`,
    `{"alg":"${alg}","crit":["exp"],"exp":1}`,
    `{"alg":"${alg}","crit":["b64"],"b64":true}`,
    `{"alg":"${alg}","crit":["b64"],"b64":false}`,
    `{"alg":"${alg}","crit":["b64","b64"],"b64":true}`,
    `{"alg":"${alg}","b64":true}`,
    `{"alg":"${alg}","b64":false}`,
    `{"alg":"${alg}","b64":"false"}`,
    `{"alg":"${alg}","b64":0}`,
    `{"alg":"${alg}","b64":null}`,
    `{"__proto__":{"alg":"${alg}"}}`,
    `{"alg":"${alg}","__proto__":{"crit":["b64"]}}`,
    `[{"alg":"${alg}"}]`,
    `["alg","${alg}"]`,
    `"${alg}"`,
    `null`,
    `1`,
    `{"alg":"${alg}"`,
    `{"alg":"${alg}"}}`,
    `{"alg":"${alg}"}\0`,
    `{'alg':'${alg}'}`,
    ``,
  ];
}

const NOW_SECONDS = 1_700_000_000;

/** Payloads, as bytes: many right ones, and every way of not being a JSON object in UTF-8. */
export function payloadBytes(random: Random): Buffer[] {
  const exp = NOW_SECONDS + random.below(2000) - 500;
  const claims = `"token_type":"refresh","exp":${exp},"iat":${NOW_SECONDS},"jti":"${random.below(2 ** 32).toString(16)}"`;
  const right = [
    `{${claims},"user_id":${random.below(1e6)}}`,
    `{${claims},"user_id":"${random.below(1e6)}"}`,
    `{${claims},"user_id":9007199254740993}`,
    `{${claims},"name":"Zoë 🔱","roles":["a",{"b":[1.0,-1e400,1E+2]}]}`,
    `{${claims},"exp":${exp + 1}}`,
    `{${claims},"user_id":1,"user_id":2.0}`,
    `{${claims},"__proto__":{"exp":1},"constructor":null}`,
    `{${claims},"s":"\\ud800","t":"\\u0000 :1.5e3"}`,
    ` \t\r\n{${claims}} \n`,
    `\ufeff{${claims}}`,
    `{${claims},"deep":${'['.repeat(40)}${']'.repeat(40)}}`,
    `{}`,
    `{"exp":${exp}.75}`,
    `{"exp":1e10,"nbf":${NOW_SECONDS - random.below(3)}}`,
  ].map((text) => Buffer.from(text));
  const wrong = [
    `[{${claims}}]`,
    `"text"`,
    `null`,
    `true`,
    `12345678901234567890`,
    ``,
    ` `,
    `{${claims}`,
    `{${claims},}`,
    `{${claims}}x`,
    `{${claims}}{}`,
    `{${claims},"n":NaN}`,
    `{${claims},"n":01}`,
    `{${claims},"n":1.}`,
    `{${claims},"n":-}`,
    `{${claims},"n":1.0,"m":+1}`,
    `{${claims},"n":1.0,"m":.5}`,
    `{${claims},"n":1.0,}`,
    `{${claims},"n":[1.0,]}`,
    `{${claims},"n":1.0,"s":"\n"}`,
    `{${claims},"n":1.0,"s":"\\x"}`,
    `{${claims},"n":1.0,'s':1}`,
    `{${claims},"n":1.0}\u00a0`,
    `{${claims},"n":1.0,"u":undefined}`,
  ].map((text) => Buffer.from(text));
  const bytes = [
    Buffer.from(`{${claims},"n":"\xff"}`, 'latin1'),
    Buffer.from(`{${claims},"n":"\xc0\xaf"}`, 'latin1'),
    Buffer.from(`{${claims},"n":"\xed\xa0\x80"}`, 'latin1'),
    Buffer.from(`{${claims},"n":"\xf4\x90\x80\x80"}`, 'latin1'),
    Buffer.from(`{${claims},"n":"\xe2\x82`, 'latin1'),
    Buffer.from(`{${claims}}`, 'utf16le'),
  ];
  return [...right, ...right, ...right, ...wrong, ...bytes];
}

export const FUZZ_NOW_US = NOW_SECONDS * 1e6;
