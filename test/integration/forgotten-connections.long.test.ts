import { describeForgotten } from './forgotten-suite.js';

describeForgotten(60_000, 70_000, 1_000);
