package covered_test

import data.covered

test_allow if covered.allow with input as {"a": 1, "list": [4]}

test_names if covered.names == {1} with input as {"list": [1, 7]}

test_kind if covered.kind == "two" with input as {"a": 2}

test_members if covered.members == {"q": [2]} with input as {"object": {"q": [2], "r": [100]}}
