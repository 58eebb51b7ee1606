import { describeShadowLoad } from './shadow-load-suite.js';

describeShadowLoad({ requests: 4_000, users: 300, clients: 24 });
