/** Debian's simplejwt (5.2.2) and ours at sites with other settings: equal answers, or a departure that is listed. */
import { describe, expect, test } from 'vitest';
import { services } from '../support/services.js';
import { ourReplies, wantedReplies } from '../interop/matrix/our-site.js';
import { ask } from '../interop/matrix/record.js';
import { SITES } from '../interop/matrix/sites.js';

const ready = services().postgres !== undefined && services().django;

describe.skipIf(!ready).concurrent('a site with', () => {
  test.each(SITES)('$name is answered as simplejwt 5.2.2 answers it', async (site) => {
    const [theirs, ours] = await Promise.all([ask(undefined, site), ourReplies(site, '5.2')]);
    const { wanted, idle } = wantedReplies('5.2', site, theirs);
    expect(ours).toEqual(wanted);
    expect(idle).toEqual([]);
  });
});
