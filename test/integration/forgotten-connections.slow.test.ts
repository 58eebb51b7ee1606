import { describeForgotten } from './forgotten-suite.js';

describeForgotten(5_000, 6_500, 4_000);
