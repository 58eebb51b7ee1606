import { describeShadowLoad } from './shadow-load-suite.js';

describeShadowLoad({ requests: 100_000, users: 6_000, clients: 32 });
