/** What interop/ shows of one server that spends tokens in the database, of four that spend them in their Redis. */
import { alternationSuite } from '../interop/alternation-suite.js';
import { recordedMatrixSuite } from '../interop/matrix-5.5-suite.js';
import { ASYNC } from '../interop/pair.js';
import { revokeSuite } from '../interop/revoke-suite.js';

alternationSuite(ASYNC);
recordedMatrixSuite(ASYNC);
revokeSuite(ASYNC);
