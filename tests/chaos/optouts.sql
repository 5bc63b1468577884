-- The latest word of each pair of the opt-outs' load.
SELECT their_address, state FROM opt_outs WHERE channel = 'sms' AND their_address LIKE '+1777%'
