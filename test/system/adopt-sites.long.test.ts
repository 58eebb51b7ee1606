import { describeAdoptedSites } from './adopt-sites-suite.js';

describeAdoptedSites(1);
