import { describeAudit } from './audit-suite.js';

describeAudit(15);
