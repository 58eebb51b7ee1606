import { describeAdoptedSites } from './adopt-sites-suite.js';

// All of them: adopt-sites.long.test.ts.
describeAdoptedSites(3);
