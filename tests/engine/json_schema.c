/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON Schemas: the documents that they let through, and which keywords are
 * refused by name. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "accepts.h"
#include "check.h"

typedef struct {
  const char *schema;
  const char *yes[8], *no[10];
} Case;

static const Case cases[] = {
    {"{}", {"1", "\"a\"", "{\"a\":[1,2.5e3,null]}", "[]", "true"},
        {"", "{", "nul", "[1,]", "01", "\"\\x\"", "\"\n\""}},
    {"{\"type\":\"boolean\"}", {"true", "false"}, {"1", "null"}},
    {"{\"type\":[\"null\",\"string\"]}", {"null", "\"\"", "\"\\u00e9\\n\""},
        {"0", "\"\\ud83d\""}},
    {"{\"enum\":[\"red\",3,null,[1,\"a\"]]}",
        {"\"red\"", "3", "null", "[1,\"a\"]"}, {"red", "\"blue\"", "4"}},
    {"{\"const\":{\"a\":1}}", {"{\"a\":1}"}, {"{}", "{\"a\":2}"}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
        {"\"ab\"", "\"é\\\"x\""}, {"\"a\"", "\"abcd\""}},
    {"{\"type\":\"string\",\"maxLength\":0}", {"\"\""}, {"\"a\""}},
    {"{\"format\":\"date\"}",
        {"\"2026-02-28\"", "\"2026-01-31\"", "\"2026-04-30\"",
            "\"2026-12-29\""},
        {"\"2026-02-30\"", "\"2026-04-31\"", "\"2026-13-01\"", "\"2026-00-10\"",
            "\"26-01-01\"", "\"2026-01-00\""}},
    {"{\"format\":\"date-time\"}",
        {"\"2026-11-24T10:45:00Z\"", "\"2026-11-24T23:59:59.5+01:00\""},
        {"\"2026-11-24T24:00:00Z\"", "\"2026-11-24\""}},
    {"{\"format\":\"uuid\"}", {"\"123e4567-e89b-12d3-a456-426614174000\""},
        {"\"123e4567\""}},
    {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":100}",
        {"0", "7", "42", "99", "100"}, {"-1", "101", "00", "1.5", "1e2"}},
    {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":12}",
        {"-5", "-1", "0", "12"}, {"-6", "13", "-0", "-12"}},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":17}",
        {"18", "20", "99", "100", "123456"}, {"17", "9", "-18", "0"}},
    {"{\"type\":\"integer\",\"maximum\":-3}", {"-3", "-10", "-99999"},
        {"-2", "3", "0"}},
    {"{\"type\":\"integer\",\"minimum\":-9223372036854775808,"
     "\"maximum\":9223372036854775807}",
        {"-9223372036854775808", "9223372036854775807", "0"},
        {"9223372036854775808", "-9223372036854775809"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}",
        {"[]", "[1]", "[1,2]", "[1, -2]"}, {"[1,]", "[\"a\"]", "1"}},
    {"{\"items\":{\"type\":\"null\"},\"minItems\":2,\"maxItems\":3}",
        {"[null,null]", "[null,null,null]"},
        {"[]", "[null]", "[null,null,null,null]"}},
    {"{\"items\":{\"type\":\"null\"},\"maxItems\":1}", {"[]", "[null]"},
        {"[null,null]"}},
    {"{\"items\":{\"type\":\"null\"},\"maxItems\":0}", {"[]"}, {"[null]"}},
    {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}",
        {"[1,null]"}, {"[1]", "[null,1]", "[1,null,2]"}},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"},"
     "\"c\":{\"type\":\"boolean\"}},\"required\":[\"b\"]}",
        {"{\"b\":null}", "{\"a\":1,\"b\":null}", "{\"b\":null,\"c\":true}",
            "{\"a\": 1, \"b\": null, \"c\": false}"},
        {"{}", "{\"a\":1}", "{\"b\":null,\"a\":1}", "{\"b\":null,}",
            "{,\"b\":null}", "{\"b\":null,\"d\":1}"}},
    {"{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}}}",
        {"{}", "{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1,}", "{\"b\":2,\"a\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"ab\":{\"const\":1},\"abc\":{"
     "\"const\":2}},\"additionalProperties\":{\"const\":3}}",
        {"{}", "{\"ab\":1,\"x\":3}", "{\"a\":3}", "{\"abd\":3,\"abcd\":3}",
            "{\"\":3}"},
        {"{\"ab\":3}", "{\"abc\":3}", "{\"x\":1}", "{\"x\":3,}"}},
    {"{\"type\":\"object\",\"required\":[\"k\\\"\"]}", {"{\"k\\\"\":[0]}"},
        {"{}", "{\"k\":1}"}},
    {"{\"required\":[\"k\"],\"properties\":{\"a\":{\"const\":1}},"
     "\"additionalProperties\":{\"type\":\"boolean\"}}",
        {"{\"k\":true}", "{\"a\":1,\"k\":false,\"b\":true}"},
        {"{\"k\":1}", "{\"a\":1}", "{\"k\":true,\"b\":1}"}},
    {"{\"required\":[\"k\"],\"properties\":{\"a\":{\"const\":1}}}",
        {"{\"k\":[]}"}, {"{\"a\":1}"}},
    {"{\"type\":\"object\",\"additionalProperties\":false}", {"{}"},
        {"{\"a\":1}"}},
    {"{\"type\":[\"string\",\"number\"],\"enum\":[\"a\",true,1.5,2,null,[]]}",
        {"\"a\"", "1.5", "2"}, {"true", "null", "[]"}},
    {"{\"type\":\"integer\",\"enum\":[1,1.5]}", {"1"}, {"1.5"}},
    {"{\"type\":\"number\",\"anyOf\":[{\"const\":1},{\"$ref\":\"#/$defs/n\"}],"
     "\"$defs\":{\"n\":{\"type\":\"integer\",\"maximum\":-8}}}",
        {"1", "-8"}, {"2", "-7"}},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"integer\",\"minimum\":5}]}",
        {"null", "5"}, {"4", "true"}},
    {"{\"$ref\":\"#/$defs/tree\",\"$defs\":{\"tree\":{\"type\":\"object\","
     "\"properties\":{\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":"
     "\"#/$defs/tree\"}}},\"required\":[\"kids\"]}}}",
        {"{\"kids\":[]}", "{\"kids\":[{\"kids\":[]},{\"kids\":[]}]}"},
        {"{}", "{\"kids\":[1]}"}},
};

static const struct {
  const char *schema, *message;
  NevaError code;
} broken[] = {
    {"{\"pattern\":\"a+\"}", "'pattern' at # is not supported",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"properties\":{\"a\":{\"multipleOf\":3}}}",
        "'multipleOf' at #/properties/a is not supported",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"type\":\"number\",\"minimum\":0}", "'minimum' at # is supported for",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"anyOf\":[{}],\"properties\":{}}", "'properties' at # beside",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"format\":\"email\"}", "'format' at # is none of",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"type\":\"text\"}", "'type' at # is no JSON type",
        NEVA_ERROR_BAD_INPUT},
    {"{\"required\":[1]}", "'required' at # holds no name",
        NEVA_ERROR_BAD_INPUT},
    {"{\"minLength\":3,\"maxLength\":2}", "'maxLength' at # is less",
        NEVA_ERROR_BAD_INPUT},
    {"{\"minItems\":-1}", "'minItems' at # is not a count",
        NEVA_ERROR_BAD_INPUT},
    {"{\"$ref\":\"#/nowhere\"}", "names nothing", NEVA_ERROR_BAD_INPUT},
    {"{\"$ref\":\"#\"}", "can never end", NEVA_ERROR_BAD_INPUT},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{}]}", "calls itself", NEVA_ERROR_BAD_INPUT},
    {"{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
        "can never end", NEVA_ERROR_BAD_INPUT},
    {"{\"type\":\"string\",\"const\":3}",
        "'const' at # has no value of the type", NEVA_ERROR_BAD_INPUT},
    {"{\"type\":\"string\",\"anyOf\":[{\"type\":\"null\"},{\"const\":\"a\"}]}",
        "'anyOf' at # allows other types", NEVA_ERROR_UNSUPPORTED},
    {"{\"items\":{\"type\":\"string\",\"$ref\":\"#/$defs/"
     "n\"},\"$defs\":{\"n\":{}}}",
        "'$ref' at #/items allows other types", NEVA_ERROR_UNSUPPORTED},
    {"{\"minItems\":10001}", "'minItems' at # is more than",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"maxLength\":10001}", "'maxLength' at # is more than",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"required\":[\"k\"],\"additionalProperties\":false}",
        "'required' at # names a member", NEVA_ERROR_BAD_INPUT},
    {"{\"enum\":[]}", "'enum' at # is not a list", NEVA_ERROR_BAD_INPUT},
    {"{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", "is less than",
        NEVA_ERROR_BAD_INPUT},
    {"{\"items\":false}", "is not a schema that anything fits",
        NEVA_ERROR_BAD_INPUT},
};

/* Every bound against counting. */
static void
test_ranges (guint64 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);

  for (guint i = 0; i < 200; i++) {
    const int a = g_rand_int_range (rand, -1200, 1200);
    const int b = a + g_rand_int_range (rand, 0, i % 3 ? 40 : 2000);
    g_autofree char *schema = g_strdup_printf (
        "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", a, b);
    g_autoptr (NevaGrammar) grammar =
        neva_grammar_new_json_schema (schema, NULL);
    guint wrong = 0;

    CHECK (grammar, "%s", schema);
    for (int n = a - 15; grammar && n <= b + 15; n++) {
      char text[16];

      g_snprintf (text, sizeof text, "%d", n);
      wrong += accepts (grammar, text) != (n >= a && n <= b);
    }
    CHECK (wrong == 0, "%s: %u numbers", schema, wrong);
  }
}

int
main (int argc, char **argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaGrammar) grammar =
        neva_grammar_new_json_schema (c->schema, &error);

    CHECK (grammar, "%s\n%s", c->schema, error->message);
    for (guint k = 0; grammar && k < G_N_ELEMENTS (c->yes) && c->yes[k]; k++)
      CHECK (accepts (grammar, c->yes[k]), "%s\n%s", c->schema, c->yes[k]);
    for (guint k = 0; grammar && k < G_N_ELEMENTS (c->no) && c->no[k]; k++)
      CHECK (!accepts (grammar, c->no[k]), "%s\n%s", c->schema, c->no[k]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    GError *error = NULL;
    g_autoptr (NevaGrammar) grammar =
        neva_grammar_new_json_schema (broken[i].schema, &error);

    CHECK (!grammar, "%s", broken[i].schema);
    CHECK_ERROR (error, broken[i].code, broken[i].message);
  }
  test_ranges (check_seed (argc, argv));
  return check_finish ();
}
