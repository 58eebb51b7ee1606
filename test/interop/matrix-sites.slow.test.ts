/** What simplejwt 5.5.1 and its head answered at sites with other settings, and ours there; 5.2.2 is asked in test/system/interop-sites.test.ts. */
import { describe, expect, test } from 'vitest';
import { services } from '../support/services.js';
import { ourReplies, wantedReplies } from './matrix/our-site.js';
import { ask, readSiteRecord, writeSiteRecord, type Release } from './matrix/record.js';
import { SITES } from './matrix/sites.js';

describe.skipIf(!services().postgres).concurrent('a site with', () => {
  test.each(SITES)('$name is answered as simplejwt 5.5.1 and its head answer it', async (site) => {
    const ours = await ourReplies(site, '5.5');
    for (const [asked, release] of [
      ['5.5', '5.5.1'],
      ['head', 'head'],
    ] as const) {
      const { wanted, idle } = wantedReplies(asked, site, readSiteRecord(release, site));
      expect(ours).toEqual(wanted);
      expect({ asked, idle }).toEqual({ asked, idle: [] });
    }
  });
});

/** The directories of simplejwt's sources, where there are any: see matrix-5.5.test.ts. 5.5.1 is recorded first. */
const SOURCES: readonly (readonly [Release, string | undefined])[] = [
  ['5.5.1', process.env['SIMPLEJWT_5_5_SOURCE']],
  ['head', process.env['SIMPLEJWT_HEAD_SOURCE']],
];
for (const [release, source] of SOURCES) {
  if (source === undefined) continue;
  test(`the record is what simplejwt ${release} answers at these sites`, async () => {
    const asked = await Promise.all(SITES.map(async (site) => [site.name, await ask(source, site)] as const));
    if (process.env['RECORD'] === '1') writeSiteRecord(release, Object.fromEntries(asked));
    for (const [name, replies] of asked) {
      expect(replies).toEqual(
        readSiteRecord(
          release,
          SITES.find((site) => site.name === name)!,
        ),
      );
    }
  });
}
