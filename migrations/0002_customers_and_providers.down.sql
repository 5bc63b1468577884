DROP TABLE customers, providers;
